# frozen_string_literal: true

require 'set'

module Hijack
  # What a server has to give back to the library. It knows nothing of the Server, so its finalizer keeps none alive.
  # @api private
  class Handles
    # @return [Integer] 0 after the end
    attr_reader :queue, :server

    # @return [Set<Integer>]
    attr_reader :broadcasters

    # @param options [Hash] of the event queue: they are set before a server uses it
    def initialize(options)
      @queue = @server = 0
      @broadcasters = Set.new
      @queue = C.make('event queue') { |out| C.queue_new(out) }
      options.each { |name, value| Options.set('queue', name, value) { |*texts| C.queue_set(@queue, *texts) } }
      @server = C.make('server') { |out| C.server_new(out, @queue) }
    rescue Error
      free
      raise
    end

    # Frees all of it, once; in a forked child the library does nothing.
    def free
      broadcasters = @broadcasters.to_a
      server = @server
      queue = @queue
      @broadcasters.clear
      @server = @queue = 0
      C.server_stop(server)
      broadcasters.each { |handle| C.broadcaster_free(handle) }
      C.server_free(server)
      C.queue_free(queue)
    end

    # @return [Proc] gives a broadcaster back; also a finalizer
    def release(handle)
      lambda do |_id = nil|
        @broadcasters.delete(handle)
        C.broadcaster_free(handle)
      end
    end

    # @return [Integer] result; a wrong handle is the end, once it has come
    def shut(result)
      result == C::EHANDLE && @server.zero? ? C::ESHUTDOWN : result
    end

    # @return [Proc] for ObjectSpace.define_finalizer
    def finalizer
      ->(_id) { free }
    end
  end
end
