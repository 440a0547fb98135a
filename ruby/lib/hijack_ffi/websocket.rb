# frozen_string_literal: true

module Hijack
  # A WebSocket, from {Request#websocket} or {Server#adopt_websocket}. A text message is a String of UTF-8, a binary
  # message is a String of Encoding::BINARY, both when it arrives and when it is sent.
  #
  #   request.websocket do |ws|
  #     ws << 'Hello world!'
  #     ws.each { |message| ws << message }
  #   end
  #
  # The library reads the next message when the program asks for it. So the client of a slow program waits in TCP, and
  # its close is answered after the replies to what it sent before. Pings, and the end, are noticed only while the
  # program asks for a message; or, if it has sent something or asked for the end ({#closed?}, {#on_close},
  # {#wait_closed}), until the first message has come. A program that wants no messages throws them away with an empty
  # block of {#on_message}.
  #
  # Several threads may send; one at a time should read.
  class WebSocket < Connection
    include Enumerable
    include Relay

    # What {#ready_state} is.
    CONNECTING, OPEN, CLOSING, CLOSED = 0, 1, 2, 3

    # What a block of {#on} gets.
    Event = Struct.new(:type, :target, :data, :code, :reason, :message, keyword_init: true)

    NO_FRAME = 1006 # RFC 6455 section 7.4.1: no close frame came
    private_constant :NO_FRAME

    # @return [String, nil] the subprotocol agreed upon
    attr_reader :protocol

    # @return [String] "ws://example.org/chat?room=1"
    attr_reader :url

    # @return [Integer, nil] after the end the code of the first close frame, 1006 if there was none; nil before
    attr_reader :close_code

    # @return [Exception, nil] why it ended; nil if it ended in order, or has not ended
    alias close_error close_reason

    # @return [String, nil] after the end the reason in that frame, may be empty; nil before
    attr_reader :close_reason

    # @param env [Hash] of Rack
    # @return [Boolean] whether the client asks for a WebSocket
    def self.websocket?(env)
      env['HTTP_UPGRADE'].to_s.match?(/(?:\A|,)\s*websocket\s*(?:,|\z)/i)
    end

    # @api private
    def initialize(queue, handle, number, protocol, url)
      super(queue, handle, number)
      @protocol = protocol
      @url = url
      @pieces = [] # [bytes, kind, more] that came and were not taken: one message, unless it comes in pieces
      @whole = 0 # messages in them
      @asked = false # credit was given, and no message came since
      @listens = false # credit was given for the first time
      @reads = false # somebody has asked for messages
    end

    # Waits for the next message.
    # @return [String, nil] UTF-8 or binary; nil after the end, if that came gracefully
    # @raise [ResetError, TimedOutError, ProtocolError, ShutdownError, AbortedError] the end that came otherwise
    # @raise [StateError] the messages go to {#on_message}
    # @raise [WaitTimeoutError] the next call goes on with what has come
    def read
      @lock.synchronize do
        wait_for_pieces { whole? }
        take
      end
    end
    alias receive read

    # @yieldparam message [String] each message up to the end
    # @return [self, Enumerator] without a block an Enumerator
    # @raise as {#read}
    def each
      return enum_for(:each) unless block_given?

      while (message = read)
        yield message
      end
      self
    end

    # Messages in pieces as they come, so that none has to be whole in memory: with the option websocket_piece_bytes one
    # that is longer comes in pieces of this length; without it, and to {#read}, each message is whole. A piece of a
    # text may begin or end within a character.
    # @yieldparam piece [String] UTF-8 or binary, as the message
    # @yieldparam last [Boolean] whether the message ends with it
    # @return [self, Enumerator] without a block an Enumerator
    # @raise as {#read}
    def each_piece
      return enum_for(:each_piece) unless block_given?

      while (piece, last = next_piece)
        yield piece, last
      end
      self
    end

    # Calls the block with each message, one after the other, in threads of the server, of which there are as many as
    # workers (where a Fiber scheduler runs, in fibers). The next message is read when the block has ended. If the block
    # fails, {Server#on_error} gets the error, and the WebSocket is closed with code 1011.
    # @yieldparam message [String] as {#read}
    # @return [self]
    def on_message(&block)
      raise InvalidError, 'on_message: a block is expected, and none was given' unless block

      keep
      @lock.synchronize do
        refuse(C::ESTATE, 'on_message') if @relayed
        @blocks = [*@blocks, block]
        @reads = true
        ask
        wake # who waits to read is told
      end
      call_blocks
      self
    end

    # For those who know faye-websocket: calls the block with an {Event}. :message has data; :close has code and reason;
    # :error comes before :close and has a message; :open comes immediately.
    # @param name [Symbol, String] open, message, close or error
    # @yieldparam event [Event]
    # @return [self]
    def on(name, &block)
      raise InvalidError, "on #{name}: a block is expected, and none was given" unless block

      case name.to_s
      when 'open' then block.call(event(:open))
      when 'message' then on_message { |data| block.call(event(:message, data: data)) }
      when 'close' then on_close { |code, reason| block.call(event(:close, code: code, reason: reason)) }
      when 'error' then on_close { close_error && block.call(event(:error, message: close_error.message)) }
      else raise InvalidError, "on #{name}: expected open, message, close or error"
      end
      self
    end

    # Sends a message, waiting while too much is unsent (option high_water_bytes).
    # @param message [String, Array<Integer>, #to_s] a String of bytes (Encoding::BINARY) and an Array of them are a
    #   binary message, anything else is a text
    # @return [Integer] bytes
    # @raise [InvalidError] a text that is not valid
    # @raise [ClosedError, WaitTimeoutError]
    def write(message)
      transmit_message('write', *encoded(message))
    end
    alias send write

    # @param message [#to_s] is sent as a text, whatever its encoding
    # @return [Integer] bytes
    # @raise as {#write}
    def send_text(message)
      text = message.to_s
      text = text.dup.force_encoding(Encoding::UTF_8) if text.encoding == Encoding::BINARY
      transmit_message('send_text', *encoded(text))
    end

    # @param message [#to_s] is sent as bytes, whatever its encoding
    # @return [Integer] bytes
    # @raise as {#write}
    def send_binary(message)
      transmit_message('send_binary', C::MESSAGE_BINARY, Text.settled(message))
    end

    # Sends a message if that is possible without waiting.
    # @param message [String, Array<Integer>, #to_s] as {#write}
    # @param exception [Boolean] false: returns :wait_writable instead of raising
    # @return [Integer, Symbol] bytes, or :wait_writable
    # @raise [WriteWouldBlockError] an IO::WaitWritable; {#wait_writable} waits for the moment to try again
    # @raise [InvalidError, ClosedError]
    def write_nonblock(message, exception: true)
      kind, data = encoded(message)
      result = try_send { send_message(kind, data) }
      listen if result.zero?
      taken(result, exception) || data.bytesize
    end

    # Sends a ping; the answer is not reported. The library sends pings of its own, by the options websocket_ping_ms and
    # websocket_pong_ms.
    # @param data [#to_s] at most 125 bytes
    # @return [self]
    # @raise [InvalidError] data is longer
    # @raise [ClosedError, WaitTimeoutError]
    def ping(data = '')
      transmit_message('ping', C::MESSAGE_PING, Text.settled(data))
      self
    end

    # Closes: after what was sent goes a close frame, and the end comes when the client has answered it, or after
    # websocket_pong_ms. This does not wait; {#wait_closed} does. Nothing is read any more. Closing what is closed does
    # nothing.
    # @param code [Integer] 1000 to 1014 or 3000 to 4999, as RFC 6455 section 7.4 allows
    # @param reason [#to_s] at most 123 bytes of UTF-8
    # @return [nil]
    # @raise [InvalidError] code or reason; the WebSocket remains open
    # @raise [ForkError]
    def close(code = 1000, reason = '')
      @queue.check_fork('close')
      reason = Text.sized(reason.to_s)
      @lock.synchronize do
        next if @closed || @ended

        result = C.socket_close_message(@handle, code, *reason)
        refuse_closing(result, code, *reason) unless result.zero? || result == C::ECLOSED # the client was first
        @closed = true
        @queue.droppable(@number)
        wake
      end
      nil
    end

    # Cuts the connection without a close frame; unsent messages are lost.
    # @return [nil]
    # @raise [ForkError]
    def abort
      @queue.check_fork('abort')
      let_go(C::EABORTED, by_program: true) { cut } unless @ended
    end

    # @return [Boolean] whether the program has closed it, the client has ended its side, or it has ended for any other
    #   reason
    def closed?
      listen
      @closed || super
    end

    # @return [Integer] {OPEN}; {CLOSING} after {#close} until the end; {CLOSED}
    def ready_state
      return CLOSED if @ended

      @closed ? CLOSING : OPEN
    end

    # @return [String]
    def inspect
      "#<#{self.class} #{@ended ? "#{close_code} #{close_reason}".strip : @closed ? 'closing' : 'open'}>"
    end

    # Gives the first credit to a program that has not asked for messages yet: what it sends or asks shows that it wants
    # to hear of the end, and clients want to hear of their pings.
    # @api private
    def listen
      return if @listens || @reads

      @lock.synchronize do
        @listens = true
        ask
      end
    end

    # @api private
    def on_piece(bytes, kind)
      more = kind.anybits?(C::MESSAGE_MORE)
      @lock.synchronize do
        @asked = false
        @pieces << [bytes, kind & ~C::MESSAGE_MORE, more]
        @whole += 1 unless more
        ask if @blocks && @whole.zero?
        wake
      end
      call_blocks
    end

    # Sends what was read ahead to the other side of a pair.
    # @api private
    def pass_on(other)
      until @pieces.empty?
        bytes, kind, more = @pieces.first
        raise Error.for(C::ESTATE, 'relay') if more && other.is_a?(WebSocket)

        other.take_over(bytes, kind)
        @lock.synchronize { @whole -= 1 unless @pieces.shift.last }
      end
    end

    # Sends what the other side of a pair has read ahead.
    # @api private
    def take_over(bytes, kind)
      transmit_message('relay', kind, bytes)
    end

    # @param words [String] the code, who closed first, and the reason
    # @api private
    def on_closed(status, words = nil)
      code, reason = words&.match(/\A(\d+) \w+ (.*)\z/m)&.captures
      @lock.synchronize { end_as(code&.to_i, reason&.force_encoding(Encoding::UTF_8)) }
      super(status)
    end

    # Calls the blocks with the message that is there, or for the end.
    # @api private
    def run_blocks
      blocks, message = @lock.synchronize { [@blocks, (take if whole?)] }
      if message
        done = @queue.guard(self) { blocks.each { |block| block.call(message) } }
        break_off unless done
      else
        tell_in_turn
      end
    ensure
      @lock.synchronize do
        @running = false
        ask if @whole.zero?
      end
      call_blocks
    end

    private

    def check_relay
      refuse(C::ESTATE, 'relay') if @relayed
      raise StateError, 'relay: the messages go to on_message' if @blocks
    end

    def credit?
      @asked
    end

    def forget_credit
      @asked = false
    end

    # Under the lock, as what follows. Gives credit for the next message, or the next piece of it.
    def ask
      return if @asked || @relayed || dead? || @queue.forked?

      result = C.socket_read(@handle, 1)
      @asked = result.zero?
      # When the connection has gone, the event that says why is on its way.
      refuse(result, 'read') unless [0, C::ECLOSED, C::EHANDLE].include?(result)
    end

    # Waits until the block gives something true. Nothing is there then at the end.
    def wait_for_pieces
      @reads = true
      wait_for('read') do
        raise Error.for(C::ESTATE, 'read: the messages go to on_message') if @blocks
        refuse(C::ESTATE, 'read') if @relayed
        next true if yield

        ask
        dead?
      end
    end

    # Whether there is a message to be taken: after its own close the program gets none.
    def whole?
      @whole.positive? && !@closed
    end

    # The message, if it is whole; nil at the end.
    def take
      return at_end unless whole?

      @whole -= 1
      bytes, kind, more = @pieces.shift
      bytes = joined(bytes) if more
      marked(bytes, kind)
    end

    # With the pieces that follow, up to the last one.
    def joined(bytes)
      loop do
        piece, _, more = @pieces.shift
        bytes << piece
        return bytes unless more
      end
    end

    def next_piece
      @lock.synchronize do
        wait_for_pieces { !@pieces.empty? }
        next at_end if @pieces.empty? || @closed

        bytes, kind, more = @pieces.shift
        @whole -= 1 unless more
        [marked(bytes, kind), !more]
      end
    end

    # What comes after {#close} is of no interest any more.
    def at_end
      in_order = @ended.nil? || @ended == C::ECLOSED || (@closed && @ended != C::EABORTED)
      raise Error.for(@ended, 'read').from(self) unless in_order
    end

    def marked(bytes, kind)
      kind == C::MESSAGE_TEXT ? bytes.force_encoding(Encoding::UTF_8) : bytes
    end

    def end_as(code, reason)
      @close_code ||= code || NO_FRAME
      @close_reason ||= reason || ''
    end

    def end_facts
      [close_code || NO_FRAME, close_reason || '']
    end

    def event(type, **facts)
      Event.new(type: type, target: self, **facts)
    end

    # Whoever gets the messages by blocks gets the end after them, and who reads has it when the end is read: that the
    # client has ended its side does not say how.
    def tell
      return if @blocks || (@reads && !@ended)

      @told = true
      super
    end

    def told?
      @told
    end

    # Without the lock, as what follows.
    def tell_in_turn
      callbacks = @lock.synchronize do
        next if @told || !@ended

        @told = true
        @callbacks
      end
      @queue.notify(self, end_facts, callbacks) if callbacks
    end

    def refuse_closing(result, code, reason, size)
      refuse(result, "close #{code}") unless result == C::EINVAL
      raise InvalidError, 'close: expected a code of 1000 to 1014 or 3000 to 4999 that RFC 6455 lets an endpoint ' \
                          "send, and a reason of at most 123 bytes of UTF-8 (got #{code}, and #{size} bytes: " \
                          "#{reason.to_s[0, 40].inspect})"
    end

    # Has the blocks called if there is something to call them for, and nobody does it.
    def call_blocks
      mine = @lock.synchronize { !@running && @blocks && (whole? || (@ended && !@told)) && (@running = true) }
      run_blocks if mine && !@queue.post(self)
    end

    def let_go(reason, by_program: false, &call)
      super
      @lock.synchronize { end_as(nil, nil) }
      call_blocks
      nil
    end

    def dead?
      @ended || @closed
    end

    # @return [Array(Integer, String)] which kind of message it is, and its bytes
    def encoded(message)
      return [C::MESSAGE_BINARY, message.pack('C*')] if message.is_a?(Array)

      text, = Text.sized(message.to_s)
      kind = Text.kind(text)
      return [kind, text] if kind == C::MESSAGE_BINARY || text.valid_encoding?

      raise InvalidError, "a text message has to be valid #{text.encoding}, and this one is not: send bytes with " \
                          'send_binary, or as a String of Encoding::BINARY'
    end

    def transmit_message(what, kind, data)
      in_turn(what) { transmit(what) { send_message(kind, data) } }
      listen
      data.bytesize
    end

    def send_message(kind, data)
      C.socket_send_message(@handle, kind, data, data.bytesize)
    end

    def break_off
      close(1011)
    end
  end
end
