# frozen_string_literal: true

require 'ffi'
require_relative 'error'
require_relative 'version'

module Hijack
  # The C functions as they are, without hijack_; handles are Integers.
  # @api private
  module C
    extend FFI::Library

    # Where the library may be, in this order: named by the environment, in the gem, installed in the system.
    PLACES = [ENV['HIJACK_LIBRARY'], File.expand_path('libhijack.so', __dir__),
              "libhijack.so.#{SERIES}"].freeze
    private_constant :PLACES

    # Loads the first of these that is there. One that the environment names has to load; so does the gem's own.
    def self.load_library
      named, bundled, system = PLACES
      named = File.exist?(bundled) ? bundled : system if named.nil? || named.empty?
      ffi_lib(named)
    rescue LoadError => e
      raise LoadError, "hijack_ffi cannot load libhijack: #{e.message.strip.lines.first&.chomp}. Install libhijack " \
                       "#{SERIES}, or set HIJACK_LIBRARY to the path of its libhijack.so.", cause: nil
    end
    load_library
  end
end

begin
  require_relative 'generated'
rescue FFI::NotFoundError => e
  raise LoadError, "hijack_ffi found a libhijack that is not of its version: #{e.message}", cause: nil
end

module Hijack
  if C.check_version(C::VERSION_NUMBER).negative?
    raise VersionError, "hijack_ffi #{VERSION} cannot use libhijack #{C.version_string} " \
                        "(#{C.ffi_libraries.first.name}): install a #{VERSION[/\A\d+\.\d+/]} that is not older"
  end

  # The functions' results as Ruby wants them.
  module C
    # @return [Integer] result, unless it is an error
    # @raise [Error] of its class otherwise
    def self.check(result, what)
      result.negative? ? raise(Error.for(result, what)) : result
    end

    # Calls a function that makes a handle.
    # @yieldparam out [FFI::Pointer] where the handle will be
    # @return [Integer] the handle
    def self.make(what)
      out = FFI::MemoryPointer.new(:uint64)
      check(yield(out), what)
      out.read_uint64
    end

    # Numbers by index, as the statistics are.
    # @yield [out, count] the call that fills them
    # @return [Hash{Symbol => Integer}]
    def self.numbers(names, what)
      out = FFI::MemoryPointer.new(:uint64, names.size)
      check(yield(out, names.size), what)
      names.zip(out.read_array_of_uint64(names.size)).to_h
    end
  end
end
