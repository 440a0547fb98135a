# frozen_string_literal: true

module Hijack
  # A response body in pieces, from {Request#stream} or {Request#sse}.
  #
  #   request.sse { |stream| stream.send_event 'hello', event: 'greeting', id: 1 }
  class Stream < Connection
    include Printing

    # Sends one Server-Sent Event, waiting as {#write} does.
    # @param data [#to_s, nil] each of its lines becomes a data line
    # @param event [#to_s, nil] its type
    # @param id [#to_s, nil] what the client's Last-Event-ID will be; '' makes the client forget it
    # @param retry [Integer, nil] the time the client waits before it connects again, in milliseconds
    # @return [self]
    # @raise [InvalidError] CR or LF in event or id
    # @raise [ClosedError, WaitTimeoutError]
    def send_event(data = nil, event: nil, id: nil, retry: nil)
      fields = [event, id, data].flat_map { |text| Text.sized(text) }
      milliseconds = binding.local_variable_get(:retry) || -1
      in_turn('send_event') { transmit('send_event') { C.stream_send_sse(@handle, *fields, milliseconds) } }
      self
    end

    # Sends a comment, which clients ignore, waiting as {#write} does.
    # @param text [#to_s]
    # @return [self]
    # @raise [ClosedError, WaitTimeoutError]
    def comment(text = '')
      sized = Text.sized(text)
      in_turn('comment') { transmit('comment') { C.stream_send_comment(@handle, *sized) } }
      self
    end

    # Ends the body after what was written. Closing what is closed does nothing.
    # @param trailers [Hash, Array, nil] headers that follow the body; left out if it is not chunked
    # @return [nil]
    # @raise [HeaderError] the stream remains open
    # @raise [ForkError]
    def close(trailers = nil)
      flat = Headers.block(trailers)
      end_with(C::ECLOSED, 'close') do
        result = C.stream_finish(@handle, flat, flat.bytesize)
        refuse(result, 'close: trailers') if result == C::EHEADER
      end
    end
    alias finish close

    private

    def send_bytes(data, size)
      C.stream_send(@handle, data, size)
    end

    def cut
      C.stream_abort(@handle)
    end
  end

  # Text on its way to the library.
  # @api private
  module Text
    # An argument of two that has no value.
    NONE = [nil, 0].freeze

    AS_IT_IS = [Encoding::UTF_8, Encoding::US_ASCII, Encoding::BINARY].freeze
    private_constant :AS_IT_IS

    # @return [Array(String, Integer)] as UTF-8, and its bytes
    def self.sized(text)
      return NONE if text.nil?

      text = settled(text)
      text = text.encode(Encoding::UTF_8) unless AS_IT_IS.include?(text.encoding)
      [text, text.bytesize]
    end

    # @return [Integer] what message it is
    def self.kind(text)
      text.is_a?(String) && text.encoding == Encoding::BINARY ? C::MESSAGE_BINARY : C::MESSAGE_TEXT
    end

    # @return [String] a path for a route
    # @raise [InvalidError]
    def self.path(path, what)
      return path if path.is_a?(String) && path.start_with?('/')

      raise InvalidError, "#{what}: expected a path as a String that begins with / (got #{path.inspect})"
    end

    # @return [String] one that no other thread changes while a call waits; the bytes are not copied for that
    def self.settled(text)
      text = text.to_s
      text.frozen? ? text : text.dup
    end
  end
end
