# frozen_string_literal: true

module Hijack
  # Where requests are handled: by threads of its own, by a fiber for each, or by whoever asks for the next one.
  # @api private
  class Pool
    TEXT = { 'content-type' => 'text/plain; charset=utf-8' }.freeze
    # What a handler may raise without ending anything else.
    FAILURES = [StandardError, ScriptError, SystemStackError, NoMemoryError].freeze
    # Ends of a connection that are normal, if it is the handler's own; with ProtocolError the client was wrong.
    ENDS = [ClosedError, ResetError, TimedOutError, SlowError, ShutdownError, ProtocolError].freeze
    private_constant :TEXT, :FAILURES, :ENDS

    # @return [Boolean] whether the error only reports that the object's own connection has ended
    def self.own_end?(error, object)
      ENDS.include?(error.class) && object.own?(error.source)
    end

    # @param limit [Integer] requests that may wait; further ones are answered with 503
    # @param workers [Integer] threads for requests, and as many for messages
    # @yieldparam error [Exception] what a handler raised
    # @yieldparam object [Request, Stream, Socket] whose handler or callback it was
    def initialize(limit, workers, &report)
      @limit = limit
      @workers = workers
      @report = report
      @requests = Thread::Queue.new
      @notices = Thread::Queue.new # callbacks
      @messages = Thread::Queue.new # WebSockets whose blocks are to be called
      @messengers = 0 # threads that do this
      @threads = {} # to whether they are at work
      @starting = Mutex.new # guards the start of the thread for callbacks
      @ending = false
      @accept = ->(request) { enqueue(request) }
    end

    # Chooses how: nil answers 404.
    def handle_with(handler)
      if handler.nil?
        @accept = ->(request) { refuse(request, 404, "404 Not Found: nothing is served here\n", TEXT) }
      elsif Fiber.current_scheduler
        @accept = ->(request) { Fiber.schedule { handle(handler, request) } }
      else
        @workers.times do |index|
          start_thread(@requests, "hijack worker #{index + 1}") { |request| handle(handler, request) }
        end
      end
    end

    # From the poller.
    def <<(request)
      @accept.call(request)
    rescue Error
      request.free # its client has gone, or the server
    end

    # @return [Request, nil] the next one; nil after the end
    def pop
      @requests.pop
    end

    # Calls each with what describes the end, one object after the other, so that neither the poller waits for them, nor
    # they for a worker, which may itself wait for what they do.
    # @param object [Lifetime] whose they are
    def notify(object, facts, callbacks)
      notice = -> { callbacks.each { |callback| guard(object, ends: false) { callback.call(*facts) } } }
      return Fiber.schedule { notice.call } if Fiber.current_scheduler

      @notices << notice
      @starting.synchronize { @notifier ||= start_thread(@notices, 'hijack callbacks', &:call) }
    rescue ClosedQueueError
      notice.call # the server has ended
    rescue ThreadError
      nil # no thread can be had now: they are called with the next ones
    end

    # Has a WebSocket's blocks called, in a thread that handles no requests: handlers may wait for ever.
    # @return [Boolean] false after the end
    def post(websocket)
      return Fiber.schedule { websocket.run_blocks } && true if Fiber.current_scheduler

      @messages << websocket
      @starting.synchronize { start_messenger if @messages.num_waiting.zero? && @messengers < @workers }
      true
    rescue ClosedQueueError
      false
    rescue ThreadError
      true # as for notify
    end

    # Calls the block for a WebSocket in a thread of its own, or in a fiber; it is closed then.
    # @return [true]
    def talk(websocket, &block)
      work = -> { guard(websocket) { websocket.use(&block) } }
      Fiber.current_scheduler ? Fiber.schedule(&work) : Thread.new(&work).name = 'hijack websocket'
      true
    end

    # The server ends, so that a ShutdownError is normal.
    def expect_end
      @ending = true
    end

    # Calls the block.
    # @param object [Request, WebSocket] whom it is about
    # @param ends [Boolean] whether the end of the object's own connection is normal
    # @return [Boolean] false if it failed, which was reported
    def guard(object, ends: true)
      yield
      true
    rescue *FAILURES => e
      return true if ends && (self.class.own_end?(e, object) || (@ending && e.is_a?(ShutdownError)))

      report(e, object)
      false
    end

    # Ends the threads that do nothing now, and each other one when it is done.
    def close
      [@notices, @messages, @requests].each(&:close)
      @requests.pop(true).free until @requests.empty?
    rescue ThreadError # another thread took the last one
      retry
    end

    # Waits for the threads that do nothing.
    def join
      @threads.keys.each do |thread|
        nil until @threads[thread] || thread == Thread.current || thread.join(0.01)
      end
    end

    private

    def enqueue(request)
      return @requests << request if @requests.size < @limit

      headers = TEXT.merge('retry-after' => '1')
      refuse(request, 503, "503 Service Unavailable: too many requests wait\n", headers)
    end

    # Nobody will read its body.
    def refuse(request, status, text, headers)
      request.respond(status, text, headers)
      request.free
    end

    def start_messenger
      start_thread(@messages, "hijack messages #{@messengers + 1}", &:run_blocks)
      @messengers += 1
    end

    def start_thread(queue, name, &work)
      thread = Thread.new { serve(queue, name, &work) }
      thread.name = name
      @threads[thread] ||= false
      thread
    end

    # A new thread inherits the shield of the one that starts it. One that user code has ended is replaced, unless the
    # whole process ends.
    def serve(queue, name, &work)
      Thread.handle_interrupt(Object => :immediate) do
        while (item = queue.pop)
          @threads[Thread.current] = true
          work.call(item)
          @threads[Thread.current] = false
        end
      end
    ensure
      @threads.delete(Thread.current)
      start_thread(queue, name, &work) unless queue.closed? || !Thread.main.alive?
    end

    def handle(handler, request)
      guard(request) { handler.call(request) }
    ensure
      request.free
    end

    def report(error, object)
      @report.call(error, object)
    rescue *FAILURES => e
      warn "hijack_ffi: on_error failed: #{e.full_message(highlight: false)}"
    end
  end
end
