# frozen_string_literal: true

module Hijack
  # The place of an object in the {EventQueue}'s table, so that it can be collected when the program drops it: it is
  # ended then, with a warning under -w. It is the object's finalizer, too. One with callbacks is in the table itself.
  # @api private
  class Slot
    OBJECTS = ObjectSpace::WeakMap.new
    private_constant :OBJECTS

    # Gives a handle back to the library.
    def self.free(kind, handle)
      if kind == Request then C.request_free(handle)
      elsif kind == Stream then C.stream_free(handle)
      else C.socket_free(handle)
      end
    end

    # @return [Boolean] whether the program may drop it: its connection is a broadcaster's member, or closing, and needs
    #   no object for that
    attr_writer :droppable

    def initialize(queue, key, handle, object)
      @queue = queue
      @key = key
      @handle = handle
      @kind = object.class
      @place = caller.find { |line| !line.start_with?(__dir__) } if $VERBOSE
    end

    # @return [self]
    def hold(object)
      OBJECTS[self] = object
      ObjectSpace.define_finalizer(object, self)
      self
    end

    # @return [Request, Connection, nil] nil when it was dropped
    def object
      OBJECTS[self]
    end

    # The object was collected. A handle that was freed is one no more.
    def call(_id)
      open = @queue.forget(@key)
      self.class.free(@kind, @handle)
      return if !open || @droppable || !@place || @queue.forked?

      warn "#{@place}: warning: a #{@kind} was dropped before its end, which ends it"
    end
  end
end
