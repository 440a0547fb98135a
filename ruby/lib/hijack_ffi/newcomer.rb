# frozen_string_literal: true

module Hijack
  # The number of a user, by which a {Broadcaster} reaches the user's connections.
  #
  #   Hijack.user('alice') # => a number that is always the same
  #   Hijack.user('42')    # => 42
  # @param text [String] a decimal number without leading zeros is itself; of any other text it is made by SHA-256
  # @return [Integer] as the option user_data of a route makes it of a header
  # @raise [InvalidError] anything else than a String that is not empty
  def self.user(text)
    return C.text_hash(*Text.sized(text)) if text.is_a?(String) && !text.empty?

    raise InvalidError, "user: expected a String that is not empty (got #{text.inspect})"
  end

  # One Server-Sent Event as a client gets it, for first: of {Request#hold} and {Broadcaster#adopt}.
  # @param data [#to_s, nil] each of its lines becomes a data line
  # @param event [#to_s, nil] its type
  # @param id [#to_s, nil] what the client's Last-Event-ID will be; '' makes the client forget it
  # @param retry [Integer, nil] the time the client waits before it connects again, in milliseconds
  # @return [String]
  # @raise [InvalidError] a line break in event or id
  # @raise [TooBigError] data over 256 MiB
  def self.event(data = nil, event: nil, id: nil, retry: nil)
    milliseconds = binding.local_variable_get(:retry) || -1
    fields = [event, id, data].flat_map { |text| Text.sized(text) }
    size = C.check(C.sse_encode(nil, 0, *fields, milliseconds), 'event')
    out = FFI::MemoryPointer.new(:char, size)
    C.check(C.sse_encode(out, size, *fields, milliseconds), 'event')
    out.read_bytes(size).force_encoding(Encoding::UTF_8)
  end

  # What is said of a connection that becomes a broadcaster's member: who it is, what it is sent first, and where it
  # goes on.
  # @api private
  module Newcomer
    USERS = (0..(1 << 64) - 1).freeze
    # Of which a text has to be sent first.
    TEXTS = [C::HOLD_WEBSOCKET, C::HOLD_WEBSOCKET_OPEN].freeze
    private_constant :USERS, :TEXTS

    # @param user [Integer, String, nil] nil: nobody
    # @param least [Integer] 1, where it cannot be nobody
    # @return [Integer]
    # @raise [InvalidError]
    def self.user(user, what, least = 0)
      number = user.is_a?(String) && !user.empty? ? Hijack.user(user) : user
      number = 0 if user.nil?
      return number if number.is_a?(Integer) && USERS.cover?(number) && number >= least

      raise InvalidError, "#{what}: user: expected a whole number from #{least} to #{USERS.last}, or a String that " \
                          "is not empty (got #{user.inspect})"
    end

    # @param first [String, nil]
    # @param kind [Integer] of the member
    # @return [Array(String, Integer)]
    # @raise [InvalidError]
    def self.first(first, kind, what)
      return Text::NONE if first.nil?
      raise InvalidError, "#{what}: first: expected a String (got #{first.inspect[0, 80]})" unless first.is_a?(String)

      bytes, size = Text.sized(first)
      return [bytes, size] unless TEXTS.include?(kind) && !bytes.dup.force_encoding(Encoding::UTF_8).valid_encoding?

      raise InvalidError, "#{what}: first: a WebSocket gets it as a text message, so that it has to be valid UTF-8 " \
                          "(got #{first.inspect[0, 80]})"
    end

    # @param position [String, nil]
    # @param room [Integer] the broadcaster's handle
    # @return [Array(String, Integer)]
    # @raise [InvalidError, StateError]
    def self.position(position, room, what)
      return Text::NONE if position.nil?

      unless position.is_a?(String)
        raise InvalidError, "#{what}: position: expected a String, as Broadcaster#position returns it, or nil (got " \
                            "#{position.inspect[0, 80]})"
      end
      return Text.sized(position) if position.empty? || C.broadcaster_position(nil, 0, room) != C::ESTATE

      raise StateError, "#{what}: position: the broadcaster keeps no history (got #{position[0, 80].inspect}); set " \
                        'its option history_messages before'
    end
  end
end
