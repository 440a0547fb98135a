# frozen_string_literal: true

require_relative 'support'

class LibraryTest < HijackTest
  def test_loads_without_a_warning
    output, = ruby("require 'hijack_ffi'; puts Hijack::VERSION")
    assert_equal "#{Hijack::VERSION}\n", output
    assert_equal Hijack::VERSION, Hijack::C.version_string
  end

  def test_says_which_library_it_cannot_load
    _, errors, status = ruby("require 'hijack_ffi'", env: { 'HIJACK_LIBRARY' => '/nowhere/libhijack.so' }, quiet: false)
    refute status.success?
    assert_match %r{cannot load libhijack: .*/nowhere/libhijack\.so.*set HIJACK_LIBRARY}, errors
  end

  def test_says_that_a_library_is_another_one
    _, errors, status = ruby("require 'hijack_ffi'", env: { 'HIJACK_LIBRARY' => 'libc.so.6' }, quiet: false)
    refute status.success?
    assert_match(/found a libhijack that is not of its version: .*hijack_version/, errors)
  end

  # The check at load, with a header version that this library cannot serve.
  def test_refuses_another_version
    program = <<~RUBY
      require 'ffi'
      module FFI::Library
        alias attach attach_function
        def attach_function(name, *rest, **options)
          attach(name, *rest, **options)
          define_singleton_method(name) { |_| -16 } if name == :check_version
        end
      end
      begin
        require 'hijack_ffi'
      rescue LoadError => e
        puts e.class, e.message
      end
    RUBY
    output, = ruby(program, quiet: false)
    assert_match(/\AHijack::VersionError\nhijack_ffi [\d.]+ cannot use libhijack [\d.]+ \(.+\): install a \d/, output)
  end

  def test_event_offsets_are_whole_words_and_those_of_the_struct
    c = Hijack::C
    assert_equal [0, 8, 16, 24, 32, 36, 40],
                 [c::EVENT_USER_DATA_AT, c::EVENT_HANDLE_AT, c::EVENT_DATA_AT, c::EVENT_LEN_AT, c::EVENT_TYPE_AT,
                  c::EVENT_STATUS_AT, c::EVENT_SIZE]
  end

  def test_leaves_nothing_in_other_namespaces
    output, = ruby("before = Object.constants; require 'ffi'; require 'socket'; require 'set'; require 'io/wait'\n" \
                   "known = Object.constants; require 'hijack_ffi'; p Object.constants - known - before")
    assert_equal "[:Hijack]\n", output
  end
end
