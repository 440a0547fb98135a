# frozen_string_literal: true

require 'socket'

module Hijack
  # Taking a connection out of an object of another server.
  # @api private
  module Adopt
    # More than an IO keeps in its buffer.
    BUFFER_BYTES = 65_536
    private_constant :BUFFER_BYTES

    # @return [Integer] the number of that kind
    # @raise [InvalidError]
    def self.kind(name)
      C::KINDS[name] || raise(InvalidError, "as: #{name.inspect}: there are #{C::KINDS.keys.map(&:inspect).join(', ')}")
    end

    # Gives a copy of the descriptor to the block's call, and the IO it is of. When that succeeds, or the block returns
    # nil as the client has disconnected, io is closed, which its peer does not notice; when it fails, io is as it was.
    # @raise [InvalidError] if io is not a connection, or one that changes the bytes, as TLS does
    def self.take(io)
      source = plain(io)
      source.flush
      # No interrupt in here: the descriptor would be closed twice, or never.
      Thread.handle_interrupt(Object => :never) do
        result = copy(source) { |fd| yield(fd, source) }
        (io.respond_to?(:close) ? io : source).close
        result
      end
    rescue IOError => e
      raise e if e.is_a?(Error)

      raise InvalidError, "cannot adopt #{io.inspect}: #{e.message}"
    end

    # Gives a copy of the descriptor to the block, which keeps it unless it returns nil.
    # @return [Object, nil] what the block returns
    def self.copy(io)
      copy = io.dup
      # What a web server set to write its head in one piece would keep back every message from here on.
      copy.setsockopt(:TCP, :CORK, 0) if copy.is_a?(TCPSocket)
      result = yield(copy.fileno)
      copy.autoclose = false if result
      result
    ensure
      copy.close if copy&.autoclose?
    end

    # @return [String] the other end of the connection, as the library names it
    def self.peer(source, otherwise = nil)
      return 'unknown' unless source.respond_to?(:remote_address) # no socket, as the library will say

      address = source.remote_address
      address.unix? ? 'unix:' : address.inspect_sockaddr
    rescue SystemCallError
      otherwise || 'unknown' # disconnected, as the library will say
    end

    # Gives the block what was received and not read, and puts it back when that fails.
    # @return [Object] what the block returns
    def self.with_buffered(source)
      bytes = received(source)
      result = yield(bytes)
    ensure
      source.ungetbyte(bytes) unless result || bytes.nil? || bytes.empty?
    end

    private_class_method def self.received(source)
      bytes = source.read_nonblock(BUFFER_BYTES, exception: false)
      bytes.is_a?(String) ? bytes : '' # nothing, or the end
    rescue Errno::ENOTCONN, Errno::ECONNRESET
      '' # it listens or has gone, as the library will say
    end

    # @return [IO]
    def self.plain(io)
      if encrypted?(io)
        raise InvalidError, "cannot adopt a #{io.class}: below TLS its descriptor carries encrypted bytes; let a " \
                            'proxy do the TLS'
      end
      plain = io.respond_to?(:to_io) ? io.to_io : io.instance_variable_get(:@io) # Rack::Lint's wrapper hides it
      return plain if plain.is_a?(IO)

      raise InvalidError, "cannot adopt a #{io.class}: it is neither an IO nor one inside (to_io)"
    end

    # OpenSSL's sockets and Puma's say so with these, other servers' in their names.
    private_class_method def self.encrypted?(io)
      io.respond_to?(:peer_cert) || io.respond_to?(:peercert) || io.class.name.to_s.match?(/SSL|TLS/)
    end
  end
end
