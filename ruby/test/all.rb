# frozen_string_literal: true

# Every test but the packages': ruby -w -Iruby/lib ruby/test/all.rb
# HIJACK_LIBRARY names the libhijack.so to test; without it, the one that the gem finds.
Dir[File.join(__dir__, '*_test.rb')].sort.each { |file| require file }

Minitest.after_run do
  left = Thread.list.select { |thread| thread.name.to_s.start_with?('hijack') }
  abort "left behind: #{left.inspect}" unless left.empty?
end
