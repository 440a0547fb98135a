# frozen_string_literal: true

module Hijack
  # Where requests are handled: by threads of its own, by a fiber for each, or by whoever asks for the next one.
  # @api private
  class Pool
    TEXT = { 'content-type' => 'text/plain; charset=utf-8' }.freeze
    # What a handler may raise without ending anything else.
    FAILURES = [StandardError, ScriptError, SystemStackError, NoMemoryError].freeze
    private_constant :TEXT, :FAILURES

    # @param limit [Integer] requests that may wait; further ones are answered with 503
    # @yieldparam error [Exception] what a handler raised
    # @yieldparam request [Request]
    def initialize(limit, &report)
      @limit = limit
      @report = report
      @requests = Thread::Queue.new
      @threads = {} # to whether they are handling
      @accept = ->(request) { enqueue(request) }
    end

    # Chooses how: nil answers 404.
    def handle_with(handler, threads)
      if handler.nil?
        @accept = ->(request) { request.respond(404, "404 Not Found: nothing is served here\n", TEXT) }
      elsif Fiber.current_scheduler
        @accept = ->(request) { Fiber.schedule { handle(handler, request) } }
      else
        threads.times { |index| start_thread(handler, "hijack worker #{index + 1}") }
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

    # Ends the threads that handle nothing now, and each other one when it is done.
    def close
      @requests.close
      @requests.pop(true).free until @requests.empty?
    rescue ThreadError # another thread took the last one
      retry
    end

    # Waits for the threads that handle nothing.
    def join
      @threads.keys.each do |thread|
        nil until @threads[thread] || thread == Thread.current || thread.join(0.01)
      end
    end

    private

    def enqueue(request)
      return @requests << request if @requests.size < @limit

      request.respond(503, "503 Service Unavailable: too many requests wait\n", TEXT.merge('retry-after' => '1'))
    end

    def start_thread(handler, name)
      thread = Thread.new { work(handler, name) }
      thread.name = name
      @threads[thread] ||= false
    end

    # A new thread inherits the shield of the one that starts it. One that a handler has ended is replaced, unless the
    # whole process ends.
    def work(handler, name)
      Thread.handle_interrupt(Object => :immediate) do
        while (request = pop)
          @threads[Thread.current] = true
          handle(handler, request)
          @threads[Thread.current] = false
        end
      end
    ensure
      @threads.delete(Thread.current)
      start_thread(handler, name) unless @requests.closed? || !Thread.main.alive?
    end

    def handle(handler, request)
      handler.call(request)
    rescue ClosedError, ResetError, TimedOutError, SlowError, ShutdownError
      # The connection has gone, which is everyday life.
    rescue *FAILURES => e
      report(e, request)
    ensure
      request.free
    end

    def report(error, request)
      @report.call(error, request)
    rescue *FAILURES => e
      warn "hijack_ffi: on_error failed: #{e.full_message(highlight: false)}"
    end
  end
end
