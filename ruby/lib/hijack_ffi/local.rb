# frozen_string_literal: true

module Hijack
  # Stands for an object of which each process that uses it has its own, made when it is first used there.
  # @api private
  class Local < BasicObject
    # @param lock [Monitor] one for a server and all that is made of it, so that two threads do not deadlock
    def initialize(lock, options)
      @lock = lock
      @options = options
      @made = @ready = nil # in which process
    end

    # @return [Object] this process's
    def __object__
      @lock.synchronize { __prepare__(::Process.pid) unless __ready__? } unless __ready__?
      @object
    end

    def __ready__?
      @ready == ::Process.pid
    end

    def method_missing(...)
      __object__.public_send(...)
    end

    private

    def __make__(pid)
      @object = yield unless @made == pid
      @made = pid
    end
  end

  # A server for each process.
  # @api private
  class LocalServer < Local
    # @param setup [Proc, nil] is called when there is a new one
    def initialize(options, setup)
      super(::Monitor.new, options)
      @setup = setup
    end

    # @return [Broadcaster] likewise one for each process
    def broadcaster(**options)
      LocalBroadcaster.new(@lock, self, options)
    end

    # A second block would never run. The same one comes again where a file is loaded again.
    # @raise [InvalidError]
    def __check_setup__(setup)
      mine, other = [@setup, setup].map { |it| it && (it.source_location&.join(':') || it.inspect) }
      return if setup.nil? || other == mine

      has = mine ? "the block of #{mine}" : 'no block'
      ::Kernel.raise InvalidError, "local: the server of these options has #{has} already (got another one, of " \
                                   "#{other}): put both into one, or take other options"
    end

    private

    # The setup itself may use the server, other threads get it afterwards. When the setup fails, the server stays for
    # the next try, as do the broadcasters that were made of it.
    def __prepare__(pid)
      __make__(pid) { Server.new(**@options).start }
      return if @setting_up == pid

      begin
        @setting_up = pid
        @setup&.call(self)
        @ready = pid
      ensure
        @setting_up = nil
      end
    end
  end

  # A broadcaster for each process, of its server there.
  # @api private
  class LocalBroadcaster < Local
    def initialize(lock, server, options)
      super(lock, options)
      @server = server
    end

    private

    # The server first: its setup may use this one.
    def __prepare__(pid)
      server = @server.__object__
      __make__(pid) { server.broadcaster(**@options) }
      @ready = pid if @server.__ready__?
    end
  end

  private_constant :Local, :LocalServer, :LocalBroadcaster

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
  #   thread that publishes. Other threads that use the server wait until the block has ended. When it fails, whoever
  #   uses the server gets the error, and the next use calls it again
  # @return [Server]
  # @raise [InvalidError] the server of these options has another block, or none
  def self.local(**options, &setup)
    @locals_lock.synchronize do
      server = @locals[options] ||= LocalServer.new(options, setup)
      server.__check_setup__(setup)
      server
    end
  end
  @locals = {}
  @locals_lock = Mutex.new
end
