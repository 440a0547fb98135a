# frozen_string_literal: true

module Hijack
  # The body of a {Request}, read like an IO. It is whole in memory; or, where the option request_body of the server or
  # of a route is pieces, it comes from the client as the program reads it. It fits Rack's rack.input.
  #
  # A body in pieces can be read until the handler ends or the request is freed, even after the answer.
  class Body
    include Waiting
    include Reader

    # @return [Numeric, nil] the longest that one call waits, in seconds; nil (as it starts) is for ever
    attr_accessor :timeout

    # @return [Headers] what followed the body, empty before its end
    # @api private
    attr_reader :trailers

    # @api private
    # @param bytes [String, nil] all of it; nil: it comes in pieces
    def initialize(request, queue, handle, bytes)
      @request = request # which stays as long as its body
      prepare_waiting(queue)
      prepare_reading
      @handle = handle
      @whole = bytes
      @trailers = Headers.new([])
      @ended = nil # why no more comes, as a code
      @closed = false
      on_eof if bytes
      rewind if bytes
    end

    # Starts again at the first byte.
    # @return [Integer] 0
    # @raise [NotSupportedError] the body comes in pieces, which are not kept
    def rewind
      raise NotSupportedError, 'rewind: a body in pieces is read once, and not kept' unless @whole

      @lock.synchronize { @buffer = @whole.dup }
      0
    end

    # @return [String]
    def inspect
      "#<#{self.class} #{@whole ? "#{@whole.bytesize} bytes" : 'in pieces'}>"
    end

    # @api private
    # @return [Boolean] whether the client has still something to send
    def open?
      !@eof && !@ended
    end

    # @api private
    def on_trailers(text)
      @trailers = Headers.new(text.gsub(/^([^:]+):[ \t]*/) { "#{$1.downcase}: " }.split(/[ \t]*\r\n/)) if text
      on_eof
    end

    # @api private
    def on_closed(code)
      @lock.synchronize do
        @ended ||= code
        wake
      end
    end

    private

    def grant(credit)
      C.request_read(@handle, credit)
    end

    def read_to_end; end
  end
end
