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
      # Objects, or their slots, by number; requests, which have none, by handle, which no number is as large as. An
      # entry goes with the last event, or earlier with close or free.
      @objects = {}
      @requests_lock = Mutex.new
      @last_number = 0
      @at = @end = 0 # where the next event of the batch is, and the batch's end
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

    # Makes a stream or socket, or a request that another server has read, and the object that gets its events; the
    # caller lets no interrupt come meanwhile.
    # @param facts [Array] what else its constructor takes
    # @yieldparam out [FFI::Pointer] for the call that makes it
    # @return [Connection, Request, Integer] or the code of that call, if it is an error
    def register(kind, *facts)
      @mutex.synchronize do
        result = yield @out
        next result if result.negative?

        handle = @out.read_uint64
        next weaken(handle, handle, kind.new(self, handle, *facts)) if kind == Request

        number = @last_number += 1
        C.handle_set_user_data(handle, number)
        weaken(number, handle, kind.new(self, handle, number, *facts))
      end
    end

    # After this call the program has the object, and may drop it.
    # @return [Connection, Request]
    def weaken(key, handle, object)
      @objects[key] = Slot.new(self, key, handle, object).hold(object)
      object
    end

    # A broadcaster wants to hear of its members; it has no number, as requests.
    def listen(handle, broadcaster)
      @mutex.synchronize { @objects[handle] = broadcaster }
    end

    # The object stays, as it has callbacks.
    def keep(key, object)
      @objects[key] = object if @objects.key?(key)
    end

    # The connection needs its object no more: a broadcaster's member, or a WebSocket that closes.
    def droppable(key)
      slot = @objects[key]
      slot.droppable = true if slot.is_a?(Slot)
    end

    # The object wants no more events. Without the mutex: it is in the table before the program has it.
    # @return [Object, nil] what was there
    def forget(key)
      @objects.delete(key)
    end

    # @return [Integer] how many objects get events
    def size
      @objects.size
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
      @io.wait_readable if @at == @end
    end

    # Hands over all events that are there, first those that are left where something has ended the last call.
    # @yieldparam request [Request] each new one
    def dispatch(&on_request)
      hand_over(&on_request)
      nil while turn(&on_request) == @batch
    end

    # The end: whoever still waits for an event is told that none will come.
    def close
      objects = @mutex.synchronize { @objects.values.tap { @objects.clear } }
      objects = objects.filter_map { |entry| entry.is_a?(Slot) ? entry.object : entry }
      objects.each { |object| object.on_closed(C::ESHUTDOWN) }
    end

    private

    def turn(&on_request)
      count = C.check(@mutex.synchronize { C.queue_poll(@events, @handle, @batch, 0) }, 'event queue')
      @at = 0
      @end = count * C::EVENT_SIZE
      hand_over(&on_request)
      count
    end

    # Field by field and without the handles, which are too large for a small Integer.
    def hand_over
      while (at = @at) < @end
        @at += C::EVENT_SIZE
        type = @events.get_uint32(at + C::EVENT_TYPE_AT)
        len = @events.get_uint64(at + C::EVENT_LEN_AT)
        data = len.zero? ? nil : MEMORY.get_bytes(@events.get_uint64(at + C::EVENT_DATA_AT) - 1, len)
        if type == C::EVENT_DATA # the most frequent one: no look at what else it could be
          object_of(at)&.on_data(data)
        elsif type == C::EVENT_REQUEST
          handle = @events.get_uint64(at + C::EVENT_HANDLE_AT)
          yield @objects[handle] = Request.new(self, handle, data, !status(at).zero?)
        else
          deliver(type, at, data)
        end
      end
    end

    # @return [Object, nil] nil when it wants no more events
    def object_of(at)
      entry = @objects[key(at)]
      entry.is_a?(Slot) ? entry.object : entry
    end

    # A request has no number, so that one more call for each is spared.
    def key(at)
      number = @events.get_uint64(at + C::EVENT_USER_DATA_AT)
      number.zero? ? @events.get_uint64(at + C::EVENT_HANDLE_AT) : number
    end

    # An event of a later library, which this gem does not know, is left out.
    def deliver(type, at, data)
      object = object_of(at)
      @objects.delete(key(at)) if C::LAST_EVENTS.include?(type)
      case type
      when C::EVENT_EOF then object.is_a?(Request) ? object.on_eof(data) : object&.on_eof
      when C::EVENT_DRAINED then object&.on_drained
      when C::EVENT_HANGUP then object&.on_hangup
      when C::EVENT_CLOSED then object&.on_closed(status(at), *data)
      when C::EVENT_MESSAGE then object&.on_piece(data || String.new, status(at))
      when C::EVENT_MEMBER_MESSAGE then object&.on_member_message(data, status(at))
      when C::EVENT_MEMBERS then object&.on_members(data)
      when C::EVENT_CONNECTED then object&.on_connected(data)
      when C::EVENT_DETACHED then object ? object.on_detached(status(at), data) : IO.for_fd(status(at)).close
      when C::EVENT_PAUSED then object&.on_paused
      when C::EVENT_STOPPED then @stopped = true
      end
    end

    def status(at)
      @events.get_int32(at + C::EVENT_STATUS_AT)
    end
  end
end
