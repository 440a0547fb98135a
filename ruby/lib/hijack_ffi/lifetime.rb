# frozen_string_literal: true

module Hijack
  # A wait took longer than the object's timeout; the object is as it was. It is an IO::TimeoutError where Ruby has that
  # (3.2).
  class WaitTimeoutError < (defined?(IO::TimeoutError) ? IO::TimeoutError : IOError)
    include Error
    CODE = C::ETIMEDOUT
    NAME = 'HIJACK_ETIMEDOUT'
  end

  # Waiting for what events change: with a timeout, interruptible, and so that other fibers run meanwhile.
  # @api private
  module Waiting
    # Raises for a code; after the end, for its reason.
    def refuse(code, what)
      code = reason_code if [C::EHANDLE, C::ECLOSED].include?(code)
      raise Error.for(code, what).from(self)
    end

    private

    def reason_code
      @ended || C::ECLOSED
    end

    def prepare_waiting(queue, lock = Mutex.new)
      @queue = queue
      @lock = lock # guards what events change; never held while waiting
    end

    # Under the lock.
    def wake
      @changed&.broadcast
    end

    # Under the lock, waits until the block gives something true.
    def wait_for(what, timeout = @timeout)
      deadline = timeout && (now + timeout)
      until (found = yield)
        @queue.check_fork(what)
        left = deadline && (deadline - now)
        raise WaitTimeoutError, "#{what}: not possible within #{timeout} s" if left && left <= 0

        sleep_until_changed(left)
      end
      found
    end

    # Ruby 3.1 leaves the mutex unlocked when an exception ends a fiber's wait.
    def sleep_until_changed(seconds)
      (@changed ||= ConditionVariable.new).wait(@lock, seconds)
    ensure
      @lock.lock unless @lock.owned?
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end
  end

  # The end of a {Request}, {Stream}, {Socket} or {WebSocket}. It is over when the client has ended its side, or when
  # the object has ended for any other reason. A {Socket} that is read is over when all that came before the client's
  # end was read.
  #
  # A browser that closes its tab ends its side. A client that has no more to send and still reads does the same. A
  # write after that goes out; the first one to a client that has disconnected ends the connection with an error.
  module Lifetime
    include Waiting

    # @return [Boolean] whether the client has ended its side, or it has ended for any other reason
    def closed?
      @over || false
    end

    # @return [Exception, nil] why it ended; nil if the client ended it, or if it ended as the program asked
    def close_reason
      Error.for(@ended, 'closed') unless @ended.nil? || @ended == C::ECLOSED
    end

    # Calls the block once, when it is over. If it is over already, that is immediately; else the block runs in a thread
    # that all callbacks of the server share, one after the other (where a Fiber scheduler runs, in a fiber).
    # {Server#on_error} gets what the block raises. For a {WebSocket} it is called after the last message of
    # {WebSocket#on_message}, and after the client's answer to {WebSocket#close}.
    # @yieldparam reason [Exception, nil] as {#close_reason}; of a {WebSocket} its {WebSocket#close_code}
    # @yieldparam text [String] of a {WebSocket} alone: its {WebSocket#close_reason}
    # @return [self]
    def on_close(&block)
      raise InvalidError, 'on_close: a block is expected, and none was given' unless block

      keep
      waits = @lock.synchronize { (@callbacks ||= []) << block unless told? }
      block.call(*end_facts) unless waits
      listen
      self
    end

    # Waits until it is over, which is when {#closed?} is true; after {WebSocket#close} for the client's answer.
    # @param timeout [Numeric, nil] seconds; nil: for ever
    # @return [Boolean] false when the time is over
    # @raise [ForkError]
    def wait_closed(timeout = nil)
      listen
      @lock.synchronize { wait_for('wait_closed', timeout) { @over } }
    rescue WaitTimeoutError
      false
    end

    # A {WebSocket} is read from now on, as far as its own rules allow.
    # @api private
    def listen; end

    # Whether that is its own connection.
    # @api private
    def own?(source)
      source.equal?(self)
    end

    # It never was open: its client had left before.
    # @return [self]
    # @api private
    def gone
      on_closed(C::ERESET)
      self
    end

    # @api private
    def on_hangup
      @lock.synchronize { over }
    end

    private

    # It stays until its end, though the program drops it. The end may come meanwhile: whoever ends it marks it first
    # and forgets it then, so that either the mark is seen here, or it is forgotten there.
    def keep
      key = @number || @handle
      @queue.keep(key, self)
      @queue.forget(key) if @ended || @freed
    end

    # Under the lock, which callbacks run without.
    def over
      return if told?

      @over = true
      wake
      tell
    end

    # Whether the callbacks were called.
    def told?
      @over
    end

    def tell
      @queue.notify(self, end_facts, @callbacks) if @callbacks
    end

    # @return [Array] what callbacks get
    def end_facts
      [close_reason]
    end
  end
end
