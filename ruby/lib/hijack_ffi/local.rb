# frozen_string_literal: true

module Hijack
  # Stands for an object of which each process that uses it has its own, made when it is first used there.
  # @api private
  class Local < BasicObject
    def initialize(made = nil, &make)
      @make = make
      @made = made # is called when there is a new one
      @lock = ::Monitor.new
      @pid = nil
    end

    # @return [Object] this process's
    def __object__
      return @object if @pid == ::Process.pid

      @lock.synchronize do
        next if @pid == ::Process.pid

        @object = @make.call
        @pid = ::Process.pid
        @made&.call(self)
      end
      @object
    end

    def method_missing(...)
      __object__.public_send(...)
    end
  end

  # A server for each process.
  # @api private
  class LocalServer < Local
    # @return [Broadcaster] likewise one for each process
    def broadcaster(**options)
      Local.new { __object__.broadcaster(**options) }
    end
  end

  private_constant :Local, :LocalServer

  # A server that listens nowhere, for what Puma and other servers give away: each process that uses it has its own,
  # made and started when it is first used there. So it may be made before a fork. Its broadcasters are likewise one
  # for each process.
  #
  #   server = Hijack.local
  #   clients = server.broadcaster
  #   run ->(env) { server.adopt_request(env).hold(clients) || [204, {}, []] }
  #
  # @param options [Hash] as those of {Server#initialize}; calls with the same options return the same server
  # @yieldparam server [Server] has been started in this process; once in each, for what the process needs besides, as a
  #   thread that publishes
  # @return [Server]
  def self.local(**options, &setup)
    @locals_lock.synchronize { @locals[options] ||= LocalServer.new(setup) { Server.new(**options).start } }
  end
  @locals = {}
  @locals_lock = Mutex.new
end
