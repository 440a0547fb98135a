# frozen_string_literal: true

module Hijack
  # write_nonblock would have to wait.
  class WriteWouldBlockError < WouldBlockError
    include IO::WaitWritable
  end

  # What {Stream}, {Socket} and {WebSocket} share: writing with back-pressure, and the end.
  #
  # All methods may be called from any thread or fiber. Those that wait can be interrupted (Thread#kill, Thread#raise,
  # Timeout), and let other fibers run under a Fiber scheduler. After the end, whoever ended it, they raise
  # {ClosedError} or what describes it better: {ResetError}, {TimedOutError}, {SlowError}, {ShutdownError},
  # {AbortedError}.
  class Connection
    include Lifetime

    # A larger write is taken in pieces of this size, so that the unsent data stays bounded.
    PIECE_BYTES = 65_536
    private_constant :PIECE_BYTES

    # @return [Numeric, nil] the longest that one call waits, in seconds; nil (as it starts) is for ever
    attr_accessor :timeout

    # @api private
    def initialize(queue, handle, number)
      prepare_waiting(queue)
      @handle = handle
      @number = number
      @writing = Mutex.new # one write at a time, so that pieces do not mix; never waited for, as that has no timeout
      @waiting = 0 # who wait for their turn to write
      @drained = 0 # DRAINED events so far
      @blocked_at = nil # @drained before a write that was refused
      @ended = nil # why, as a code
      @closed = false # it was the program that ended it
      @shared = false # broadcasters write to it as well
      @torn = false # a part of a write is on its way, and the rest is not
      @over = false # the client has ended its side, or it has ended
      @relayed = false # its bytes are another one's, or are about to be
    end

    # Sends data, waiting while too much is unsent (option high_water_bytes). What is sent at the same time elsewhere
    # comes before or after it, not in between, also what a broadcaster sends whose member it is.
    # @param parts [Array<#to_s>] sent one after the other
    # @return [Integer] bytes
    # @raise [ClosedError, WaitTimeoutError, TooBigError]
    def write(*parts)
      data = parts.size == 1 ? Text.settled(parts.first) : parts.map { |part| part.to_s.b }.join
      size = data.bytesize
      return size if size.zero?

      in_turn('write') { size > PIECE_BYTES ? write_pieces(data) : transmit('write') { send_bytes(data, size) } }
      size
    end

    # @param data [#to_s]
    # @return [self]
    # @raise as {#write}
    def <<(data)
      write(data)
      self
    end

    # Sends data if that is possible without waiting: all of it, or nothing.
    # @param data [#to_s]
    # @param exception [Boolean] false: returns :wait_writable instead of raising
    # @return [Integer, Symbol] bytes, or :wait_writable
    # @raise [WriteWouldBlockError] an IO::WaitWritable; {#wait_writable} waits for the moment to try again
    # @raise [ClosedError, TooBigError]
    def write_nonblock(data, exception: true)
      data = Text.settled(data)
      result = data.empty? ? 0 : try_send { send_bytes(data, data.bytesize) }
      taken(result, exception) || data.bytesize
    end

    # Waits until a write that would have blocked can be tried again.
    # @param timeout [Numeric, nil] seconds
    # @return [self, nil] nil when the time is over
    def wait_writable(timeout = @timeout)
      @lock.synchronize do
        wait_turn('wait_writable', timeout) { @blocked_at != @drained }
      end
      self
    rescue WaitTimeoutError
      nil
    end

    # Data is handed over by each write already; there is nothing to flush.
    # @return [self]
    def flush
      self
    end

    # Cuts it, so that the peer sees a broken connection; unsent data is lost.
    # @return [nil]
    # @raise [ForkError]
    def abort
      end_with(C::EABORTED, 'abort') { cut }
    end

    # Releases a broadcaster's member, or one that is relayed: the connection lives on as such, without this object. Any
    # other is aborted.
    # @return [nil]
    def release
      @queue.check_fork('release')
      let_go(C::ECLOSED, by_program: true)
    end

    # @return [String]
    def inspect
      "#<#{self.class} #{@ended ? C.errname(@ended) : @over ? 'client has ended' : 'open'}>"
    end

    # Closes it at the end of the block, breaks it off when the block fails; one that is relayed lives on.
    # @api private
    def use
      yield self
    rescue Exception
      break_off unless @relayed || @queue.forked?
      raise
    ensure
      Thread.current.status == 'aborting' ? break_off : close unless @ended || @relayed || @queue.forked?
    end

    # Ends what the program never got, or has not ended itself.
    # @api private
    def discard
      abort unless @closed || @relayed || @queue.forked?
    end

    # A broadcaster may write to it from now on, after a long write of which a part is on its way.
    # @api private
    def share
      @queue.droppable(@number)
      @lock.synchronize do
        @shared = true
        wait_for('add') { !@torn || dead? }
      end
    end

    # @api private
    attr_reader :handle

    # @api private
    def on_drained
      @lock.synchronize do
        @drained += 1
        wake
      end
    end

    # @api private
    def on_closed(status)
      let_go(status.zero? ? C::ECLOSED : status)
    end

    private

    # A long write, in pieces; all of the rest at once where a broadcaster's message could come in between.
    def write_pieces(data)
      rest = data
      until rest.empty?
        transmit('write') do
          @lock.synchronize do # so that a broadcaster comes before the first piece or after the last
            piece = @shared ? rest : rest.byteslice(0, PIECE_BYTES)
            result = send_bytes(piece, piece.bytesize)
            next result if result.negative?

            @torn = true
            rest = rest.byteslice(piece.bytesize..)
            result
          end
        end
      end
    ensure
      @lock.synchronize do
        @torn = false
        wake
      end
    end

    # Runs the block when no other write is at work.
    def in_turn(what)
      until (mine = @writing.try_lock)
        @lock.synchronize { wait_turn(what) }
        refuse(C::ECLOSED, what) if dead?
      end
      yield
    ensure
      end_turn if mine
    end

    # Under the lock, waits until no other write is at work, and the block gives something true. Who waits is counted
    # before it looks, so that the one that ends its turn meanwhile knows.
    def wait_turn(what, timeout = @timeout)
      @waiting += 1
      wait_for(what, timeout) { dead? || (!@writing.locked? && (!block_given? || yield)) }
    ensure
      @waiting -= 1
    end

    def end_turn
      @writing.unlock
      Thread.handle_interrupt(Object => :never) { @lock.synchronize { wake } } if @waiting.positive?
    end

    # Calls the block, which sends, until it is not told to wait. DRAINED may have come before its call has returned.
    def transmit(what)
      loop do
        seen = @drained
        result = yield
        return unless result.negative?

        refuse(result, what) unless result == C::EAGAIN
        @lock.synchronize { wait_for(what) { @drained != seen || dead? } }
      end
    end

    # The result of the block, which sends; EAGAIN if another write is at work.
    def try_send
      return C::EAGAIN unless @writing.try_lock

      begin
        seen = @drained
        result = yield
        @blocked_at = (seen if result == C::EAGAIN)
        result
      ensure
        end_turn
      end
    end

    # nil, if it was taken; else what write_nonblock returns or raises.
    def taken(result, exception)
      return unless result.negative?

      refuse(result, 'write_nonblock') unless result == C::EAGAIN
      return :wait_writable unless exception

      raise WriteWouldBlockError, "write_nonblock: #{Error.sentence(C::EAGAIN, 'write')}"
    end

    # Whether nothing can be written any more, so that nobody waits for it.
    def dead?
      @ended
    end

    def break_off
      abort
    end

    # Of all that is no {Stream}.
    def cut
      C.socket_abort(@handle)
    end

    def end_with(reason, what, &call)
      @queue.check_fork(what)
      let_go(reason, by_program: true, &call) unless @closed
    end

    # The handle is not needed any more: what was asked of it is still done. The block, which may ask for the end, runs
    # under the lock: CLOSED may come before it has returned, and must find the marks.
    def let_go(reason, by_program: false)
      @lock.synchronize do
        yield if block_given?
        @ended ||= reason
        @closed ||= by_program
        wake
        over
      end
      @queue.forget(@number)
      Slot.free(self.class, @handle)
      nil
    end
  end
end
