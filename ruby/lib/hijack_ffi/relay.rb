# frozen_string_literal: true

module Hijack
  # What {Socket} and {WebSocket} share: two of them can get each other's bytes.
  module Relay
    # Pairs it with another connection of the same server: each gets the other one's bytes, in both directions. The
    # library moves them, without a thread and without an object: both objects can be dropped, and a block's end leaves
    # the pair alive. What was sent before goes out first. What has come and was not read goes to the other one, so a
    # program may read a line and then relay.
    #
    # The end of one side is passed on, and the other direction goes on; a broken connection breaks the other one. Of
    # two WebSockets the messages pass as they are; between a WebSocket and a {Socket}, the bytes of messages do.
    #
    # Reading and writing raise {StateError} afterwards. {Lifetime#closed?}, {Lifetime#on_close}, {Lifetime#wait_closed}
    # and {Lifetime#close_reason} report the end. {Socket#close} and {WebSocket#close} end both sides after what was
    # passed on, {Connection#abort} breaks both off.
    #
    #   socket.relay(server.connect('127.0.0.1:5432'))
    #
    # @param other [Socket, WebSocket]
    # @return [nil]
    # @raise [InvalidError] other is not another connection of this server
    # @raise [StateError] one is a broadcaster's member, relayed already or within a message, or its messages go to
    #   {WebSocket#on_message}
    # @raise [ClosedError, WaitTimeoutError] after an error both remain usable, but what was read ahead may have been
    #   sent
    def relay(other)
      check_partner(other)
      reserved = reserve_both(other)
      [self, other].each(&:pause)
      pass_on(other)
      other.pass_on(self)
      paired = pair(other)
      nil
    ensure
      reserved&.each { |it| it.settle(paired) }
    end

    # Whether it is of the server with this queue.
    # @api private
    def of?(queue)
      @queue.equal?(queue)
    end

    # From here on the program does not read.
    # @api private
    def reserve
      @lock.synchronize do
        refuse(C::ECLOSED, 'relay') if @closed || dead?
        check_relay
        @relayed = true
        wake # who waits to read is told
      end
    end

    # Takes the credit back, and waits until all that came by it is there.
    # @api private
    def pause
      @lock.synchronize do
        next unless credit?

        @paused = false
        result = C.socket_read(@handle, 0)
        refuse(result, 'relay') unless result.zero?
        wait_for('relay') { @paused || dead? }
      end
    end

    # @param paired [Boolean, nil] whether it needs its object no more, or was not paired after all
    # @api private
    def settle(paired)
      @queue.droppable(@number) if paired
      @lock.synchronize { @relayed = false } unless paired
      on_drained # who waits to write is told
    end

    # @api private
    def on_paused
      @lock.synchronize do
        @paused = true
        forget_credit
        wake
      end
    end

    # @api private
    def refuse(code, what)
      return super unless code == C::ESTATE && @relayed

      raise StateError.new("#{what}: #{Error.sentence(code, 'relayed')}").from(self)
    end

    private

    def check_partner(other)
      @queue.check_fork('relay')
      return if other.is_a?(Relay) && !other.equal?(self) && other.of?(@queue)

      raise InvalidError, "relay: expected another Socket or WebSocket of this server (got #{other.inspect})"
    end

    # Both, or none.
    def reserve_both(other)
      reserved = []
      Thread.handle_interrupt(Object => :never) do
        [self, other].each do |it|
          it.reserve
          reserved << it
        end
      rescue StandardError
        reserved.each { |it| it.settle(false) }
        raise
      end
      reserved
    end

    def pair(other)
      result = C.socket_relay(@handle, other.handle)
      return true if result.zero?

      raise Error.for(result, 'relay') if result == C::ESTATE # not because of this call
      (dead? ? self : other).refuse(result, 'relay')
    end
  end
end
