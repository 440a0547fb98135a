# frozen_string_literal: true

module Hijack
  # The library's table of options, so that none is listed here: docs/options.md.
  # @api private
  module Options
    # [scope, name] => [type, default]
    TABLE = C.options.each_line.to_h do |line|
      scope, name, type, _minimum, _maximum, default = line.chomp.split("\t")
      [[scope, name], [type, default]]
    end.freeze

    # @yield [name, name_len, value, value_len] the call that sets it
    # @raise [OptionError, OutOfRangeError, StateError]
    def self.set(name, value, where = '')
      name = name.to_s
      value = value.to_s
      C.check(yield(name, name.bytesize, value, value.bytesize), "#{where}option #{name}: #{value.inspect}")
    end

    # @return [Boolean] whether it is the event queue's
    def self.queue?(name)
      TABLE.key?(['queue', name.to_s])
    end

    # @return [String]
    def self.default(scope, name)
      TABLE.fetch([scope, name])[1]
    end

    # @return [Integer, String] a server's option as the library writes it, in Ruby's type
    def self.parse(name, text)
      type, = TABLE.fetch(['server', name])
      %w[int size].include?(type) ? Integer(text, 10) : text
    end
  end
end
