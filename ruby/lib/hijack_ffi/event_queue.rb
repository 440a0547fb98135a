# frozen_string_literal: true

require 'io/wait'

module Hijack
  # The events of one server: polls them in batches and hands each one to the object it is about.
  #
  # A new stream or socket has its request's number until it gets its own, so making one and polling exclude each other.
  # @api private
  class EventQueue
    BATCH = 64
    # Payloads are read by their offset from the first byte of memory: a pointer for each would cost more than the copy.
    MEMORY = FFI::Pointer.new(1)
    private_constant :BATCH, :MEMORY

    # @return [Boolean] whether the server's last event came
    attr_reader :stopped

    # @return [Mutex] of all requests, which have little to guard: one for each would cost more
    attr_reader :requests_lock

    # @param pool [Pool] where callbacks run
    # @param batch [Integer] the most events of one poll
    def initialize(handle, pool, batch = BATCH)
      @handle = handle
      @pool = pool
      @batch = batch
      @pid = Process.pid
      @io = IO.for_fd(C.check(C.queue_fd(handle), 'event queue'), autoclose: false)
      @events = FFI::MemoryPointer.new(C::EVENT_SIZE, batch)
      @out = FFI::MemoryPointer.new(:uint64)
      @mutex = Mutex.new
      @objects = {} # by number; an entry goes with the last event, or earlier with close
      @requests_lock = Mutex.new
      @requests = {} # by handle, as they have no number; an entry goes with the last event, or earlier with free
      @last_number = 0
      @stopped = false
    end

    # @return [Boolean] whether this is a forked child of the process that it belongs to
    def forked?
      @pid != Process.pid
    end

    # @raise [ForkError] in a forked child, where no event ever comes
    def check_fork(what)
      raise Error.for(C::EFORK, what) if forked?
    end

    # Makes a stream or socket, and the object that gets its events; the caller lets no interrupt come meanwhile.
    # @param facts [Array] what else its constructor takes
    # @yieldparam out [FFI::Pointer] for the call that makes it
    # @return [Connection, Integer] or the code of that call, if it is an error
    def register(kind, *facts)
      @mutex.synchronize do
        result = yield @out
        next result if result.negative?

        handle = @out.read_uint64
        number = @last_number += 1
        C.handle_set_user_data(handle, number)
        @objects[number] = kind.new(self, handle, number, *facts)
      end
    end

    # Makes a request that another server has read; as {#register}.
    # @yieldparam out [FFI::Pointer] for the call that makes it
    # @return [Request, Integer] as {#register}
    def register_request(*arguments)
      @mutex.synchronize do
        result = yield @out
        next result if result.negative?

        handle = @out.read_uint64
        @requests[handle] = Request.new(self, handle, *arguments)
      end
    end

    # The object wants no more events.
    def forget(number)
      @mutex.synchronize { @objects.delete(number) }
    end

    # The request wants no more events. Without the mutex: a request is in the table before the program has it.
    def forget_request(handle)
      @requests.delete(handle)
    end

    # @return [Integer] how many objects get events
    def size
      @objects.size + @requests.size
    end

    # Calls what {Lifetime#on_close} was given, unless this is a forked child.
    def notify(object, facts, callbacks)
      @pool.notify(object, facts, callbacks) unless forked?
    end

    # Has the blocks of {WebSocket#on_message} called.
    # @return [Boolean] false after the end: nobody else will do it
    def post(websocket)
      forked? || @pool.post(websocket)
    end

    # Calls the block, as {Pool#guard}.
    def guard(object, &block)
      @pool.guard(object, &block)
    end

    # Waits for events.
    def wait
      @io.wait_readable
    end

    # Hands over all events that are there.
    # @yieldparam request [Request] each new one
    def dispatch(&on_request)
      nil while turn(&on_request) == @batch
    end

    # The end: whoever still waits for an event is told that none will come.
    def close
      objects = @mutex.synchronize { (@objects.values + @requests.values).tap { [@objects, @requests].each(&:clear) } }
      objects.each { |object| object.on_closed(C::ESHUTDOWN) }
    end

    private

    def turn
      count = @mutex.synchronize { C.queue_poll(@events, @handle, @batch, 0) }
      return 0 if C.check(count, 'event queue').zero?

      # Field by field and without the handles, which are too large for a small Integer.
      0.step(by: C::EVENT_SIZE, to: (count - 1) * C::EVENT_SIZE) do |at|
        type = @events.get_uint32(at + C::EVENT_TYPE_AT)
        next unless C::KNOWN_EVENTS.include?(type)

        len = @events.get_uint64(at + C::EVENT_LEN_AT)
        data = MEMORY.get_bytes(@events.get_uint64(at + C::EVENT_DATA_AT) - 1, len) unless len.zero?
        if type == C::EVENT_REQUEST
          handle = @events.get_uint64(at + C::EVENT_HANDLE_AT)
          yield @requests[handle] = Request.new(self, handle, data, !status(at).zero?)
        else
          deliver(type, object_of(at, C::LAST_EVENTS.include?(type)), at, data)
        end
      end
      count
    end

    # last: it gets no more events. A request has no number, so that one more call for each is spared.
    def object_of(at, last)
      table = @objects
      key = @events.get_uint64(at + C::EVENT_USER_DATA_AT)
      table, key = @requests, @events.get_uint64(at + C::EVENT_HANDLE_AT) if key.zero?
      last ? table.delete(key) : table[key]
    end

    # object: nil where it wants no more events
    def deliver(type, object, at, data)
      case type
      when C::EVENT_DATA then object&.on_data(data)
      when C::EVENT_EOF then object.is_a?(Request) ? object.on_eof(data) : object&.on_eof
      when C::EVENT_DRAINED then object&.on_drained
      when C::EVENT_HANGUP then object&.on_hangup
      when C::EVENT_CLOSED then object&.on_closed(status(at), *data)
      when C::EVENT_MESSAGE then object&.on_piece(data || String.new, status(at))
      when C::EVENT_DETACHED then object ? object.on_detached(status(at), data) : IO.for_fd(status(at)).close
      when C::EVENT_STOPPED then @stopped = true
      end
    end

    def status(at)
      @events.get_int32(at + C::EVENT_STATUS_AT)
    end
  end
end
