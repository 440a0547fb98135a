# frozen_string_literal: true

module Hijack
  # Listens, accepts, and holds connections on the library's own threads.
  #
  #   Hijack::Server.open(heartbeat_ms: 5000) do |server|
  #     clients = server.broadcaster
  #     server.hold '/sse', clients
  #     server.listen '127.0.0.1:8080'
  #     server.run { |request| request.respond 200, "hello\n", 'content-type' => 'text/plain' }
  #   end
  #
  # Requests are handled by a pool of threads, or, where a Fiber scheduler runs, by a fiber for each. What {#hold} and
  # {Broadcaster} hold needs neither: no thread, no fiber and no object of Ruby.
  class Server
    STATS = (0..).lazy.map { |index| C.server_stat_name(index) }.take_while(&:itself).map(&:to_sym).to_a.freeze
    private_constant :STATS

    # @param options [Hash] as {#initialize}
    # @yieldparam server [Server] is stopped at the end of the block
    # @return [Server, Object] what the block returns; without a block the server
    # @raise as {#initialize}
    def self.open(**options)
      server = new(**options)
      return server unless block_given?

      begin
        yield server
      ensure
        server.__send__(:stop_here)
      end
    end

    # @param workers [Integer] threads for handlers; under a Fiber scheduler there are none
    # @param options [Hash{Symbol => #to_s}] by name: those of server and queue in docs/reference/options.md
    # @raise [OptionError, OutOfRangeError]
    def initialize(workers: 5, **options)
      @workers = Integer(workers)
      raise InvalidError, "workers: expected a whole number from 1 (got #{workers})" unless @workers.positive?

      queue_options, server_options = options.partition { |name, _| Options.queue?(name) }.map(&:to_h)
      @handles = Handles.new(queue_options)
      ObjectSpace.define_finalizer(self, @handles.finalizer)
      server_options.each { |name, value| self[name] = value }
      @done = Thread::Queue.new # closed at the end, so that all who wait for it go on
      @on_error = ->(error, object) { warn "hijack_ffi: #{object.inspect}: #{error.full_message(highlight: false)}" }
      limit = Integer(queue_options[:capacity] || Options.default('queue', 'capacity'))
      @pool = Pool.new(limit, @workers) { |error, object| @on_error.call(error, object) }
      @queue = EventQueue.new(@handles.queue, @pool)
    end

    # @param name [Symbol, String] an option of the server
    # @return [Integer, String] its value; sizes in bytes
    # @raise [OptionError, ShutdownError]
    def [](name)
      name = name.to_s
      text = FFI::MemoryPointer.new(:char, 256)
      result = @handles.shut(C.server_get(text, text.size, handle, name, name.bytesize))
      Options.refuse('server', name, result) if result.negative?
      Options.parse(name, text.read_string)
    end

    # Sets an option before the start.
    # @param name [Symbol, String] an option of the server
    # @param value [#to_s]
    # @raise [OptionError, OutOfRangeError, StateError]
    def []=(name, value)
      Options.set('server', name, value) { |*texts| @handles.shut(C.server_set(handle, *texts)) }
    end

    # Adds an address, before the start; binds immediately.
    # @param address [String, #to_io] "127.0.0.1:8080", "[::1]:8080", "*:8080", "localhost:0", "unix:/path" or "fd:3";
    #   port 0 takes a free one; "tls:" before any of them is the same as tls: true. Or a socket that listens, as a
    #   TCPServer: it remains the program's, which may close it
    # @param tls [Hash, true, nil] the listener speaks TLS. A Hash has cert: and key: (and staple:), which are given to
    #   {#certificate}; any other name is an option of the server without its tls_, as in min_version: '1.3',
    #   client_verify: :require, client_ca: 'ca.pem'
    # @return [Integer] the port, 0 if the address has none
    # @raise [AddressError] it cannot be understood
    # @raise [OutOfRangeError, TooBigError] a port over 65535, a unix path over 107 bytes
    # @raise [NotFoundError] the folder of a unix path is missing
    # @raise [AddressNotAvailableError] it is not an address of this machine
    # @raise [NotSocketError] "fd:" is not a listening socket
    # @raise [AddressInUseError, AccessDeniedError, StateError]
    # @raise [NotSupportedError] the library was built without TLS
    # @raise as {#certificate}
    def listen(address, tls: nil)
      return Adopt.copy(address.to_io) { |fd| listen("fd:#{fd}", tls: tls) } if address.respond_to?(:to_io)

      tls_set(**tls) if tls.is_a?(Hash)
      address = address.to_s
      address = "tls:#{address}" if tls && !address.start_with?('tls:')
      check(C.server_listen(handle, address, address.bytesize), "listen #{address}")
    end

    # Adds a certificate for the listeners that speak TLS, or replaces the one for the same names: later handshakes get
    # the new one. So a reload is the same call again, also while the server runs. With several certificates a
    # client gets the one for the name it asks for (SNI), or else the first.
    # @param chain [String, #to_pem, Array] PEM text or the path of a file, the server's own first; also an
    #   OpenSSL::X509::Certificate, or an Array of them
    # @param key [String, #to_pem] PEM text or the path of a file, without a passphrase; also an OpenSSL::PKey
    # @param staple [String, #to_der, nil] an OCSP response in DER, or the path of a file
    # @return [self]
    # @raise [TLSError] it cannot be used, or key and certificate do not belong together
    # @raise [NotFoundError, AccessDeniedError, TooBigError] a file
    # @raise [NotSupportedError] the library was built without TLS
    # @raise [ShutdownError]
    def certificate(chain, key, staple: nil)
      texts = [TLS.text(chain), TLS.text(key)]
      result = C.server_certificate(handle, *[*texts, TLS.staple(staple)].flat_map { |it| [it, it&.bytesize || 0] })
      what = "certificate #{TLS.name(texts[0])} with key #{TLS.name(texts[1])}"
      what << ', and its OCSP response' if staple
      check(result, what)
      self
    end

    # @return [Array<String>] with their real ports, as "127.0.0.1:41873"
    # @raise [ShutdownError]
    def addresses
      text = FFI::MemoryPointer.new(:char, 256)
      (0..).each_with_object([]) do |index, found|
        result = C.server_address(text, text.size, handle, index)
        return found if result == C::ERANGE

        check(result, 'addresses')
        found << text.read_string
      end
    end

    # Holds a route, before the start: each GET of path becomes a member immediately, without an event or object.
    # @param path [String] compared byte by byte with a request's, up to "?"
    # @param broadcaster [Broadcaster]
    # @param as [:sse, :stream, :raw, :websocket] the head that is written, and how messages are:
    #   docs/reference/c/broadcaster.md
    # @param headers [Hash, Array, nil] are added to the head
    # @return [self]
    # @raise [InvalidError, HeaderError, StateError]
    def hold(path, broadcaster, as: :sse, headers: nil)
      kind = Adopt.kind(as)
      flat = Headers.block(headers)
      path = Text.path(path, 'hold')
      room = Broadcaster.handle(broadcaster, 'hold')
      raise StateError, "hold #{path}: the server has been started; do this before" if @poller

      check(C.server_hold(handle, path, path.bytesize, kind, flat, flat.bytesize, room), "hold #{path}")
      self
    end

    # Sets options for the requests of a path, before the start.
    # @param path [String] with a "*" at its end: all paths that begin so
    # @param options [Hash{Symbol => #to_s}] by name: those of a route in docs/reference/options.md,
    #   as request_body: :pieces
    # @return [self]
    # @raise [InvalidError, OptionError, OutOfRangeError, NotSupportedError, StateError]
    def route_set(path, **options)
      path = Text.path(path, 'route_set')
      options.each do |option, value|
        Options.set('route', option, value, "route #{path}: ") do |*texts|
          @handles.shut(C.server_route_set(handle, path, path.bytesize, *texts))
        end
      end
      self
    end

    # @param options [Hash{Symbol => #to_s}] by name: those of a broadcaster in docs/reference/options.md,
    #   as overflow: :latest
    # @return [Broadcaster] a new one for connections of this server, before or after the start
    # @raise [OptionError, OutOfRangeError, ShutdownError]
    def broadcaster(**options)
      Broadcaster.new(@handles, @queue, **options)
    end

    # Takes a connection of another server. io is closed by that, which its peer does not notice; when it fails, io is
    # as it was. Of a client that has already left this gives a socket that has ended ({Lifetime#closed?}).
    # @param io [IO, #to_io] a connected socket, TCP or unix, without TLS
    # @param unread [String] bytes that were read from it already: they are read first, then what io has in its buffer
    # @return [Socket]
    # @raise [InvalidError, NotSocketError, StateError, ShutdownError, LimitError]
    def adopt(io, unread: '')
      take_over(io, unread, :abort) do |fd, source, *bytes|
        made = @queue.register(Socket, Adopt.peer(source)) { |out| C.server_adopt(out, handle, fd, *bytes) }
        adopted('adopt', made)
      end || Socket.new(@queue, 0, 0, 'unknown').gone
    end

    # Opens a connection to elsewhere, and waits until it is open. Nobody else waits: the library looks the name up, and
    # tries its addresses one after the other, for at most the time of the option connect_timeout_ms. If the wait is
    # interrupted, nothing is left of the connection.
    #
    #   server.connect('example.org:80') { |socket| socket << "GET / HTTP/1.0\r\n\r\n"; puts socket.read }
    #
    # With "tls:" before host and port the connection is encrypted, and the other side has shown a certificate for that
    # host, or that IP address, which one of the system's authorities has signed, or one of the option connect_ca.
    #
    # @param address [String] "127.0.0.1:80", "[::1]:80", "example.org:80", "tls:example.org:443" or "unix:/path"
    # @param timeout [Numeric, nil] seconds for this wait; nil: only connect_timeout_ms counts
    # @yieldparam socket [Socket] is closed at the end of the block, and aborted if the block fails
    # @return [Socket, Object] without a block the Socket, which is the program's to close; with one what it returns
    # @raise [RefusedError] nobody listens there
    # @raise [AddressNotAvailableError] the host does not exist, or cannot be reached
    # @raise [NotFoundError, AccessDeniedError] a unix path
    # @raise [TLSError] the handshake failed, or the certificate is not trusted or for another host; the message has the
    #   reason
    # @raise [TimedOutError] after connect_timeout_ms
    # @raise [WaitTimeoutError] after timeout
    # @raise [AddressError, OutOfRangeError, TooBigError, NotSupportedError] it cannot be understood; port; unix path
    #   over 107 bytes; "tls:" with a library that was built without TLS
    # @raise [StateError, ShutdownError, LimitError, ForkError]
    def connect(address, timeout: nil, &block)
      address = address.to_s
      made = nil
      Thread.handle_interrupt(Object => :never) do
        made = @queue.register(Socket, address) do |out|
          C.server_connect(out, handle, address, address.bytesize, 0)
        end
      end
      return check(made, "connect #{address}") if made.is_a?(Integer)

      result = block ? made.await_open(timeout).use(&block) : made.await_open(timeout)
      handed_over = true
      result
    ensure
      made.discard unless handed_over || made.nil? || made.is_a?(Integer)
    end

    # Takes a request that a Rack server has read, with its connection, which closes after it. Answer it like any other
    # request, from any thread, or free it. HEAD gets the head alone. Of a client that has already left this gives a
    # request that has ended ({Lifetime#closed?}).
    #
    #   server.adopt_request(env, headers: response.headers).hold clients
    #   [204, {}, []] # which is ignored
    #
    # What can be refused is refused before env['rack.hijack'] is called, so that the application can still answer.
    #
    # @param env [Hash] of Rack. Its rack.input is the request's body: read it before the application returns
    # @param io [IO, #to_io, nil] the connection, if the program has taken it already; else env['rack.hijack'] is
    #   called, and the connection is closed when this fails
    # @param headers [#each, nil] what the application and its middleware have set for the response; without them what a
    #   controller of Rails has. They go into the head of the response, except those that the answer sets itself
    #   (Set-Cookie and Vary are sent from both), and those about another body or connection (Content-Length,
    #   Content-Encoding, Connection, ...)
    # @param unread [String] as {#adopt}
    # @return [Request]
    # @raise [InvalidError, HeaderError, NotSupportedError, NotSocketError, StateError, ShutdownError, LimitError]
    def adopt_request(env, io = nil, headers: nil, unread: '')
      line, block = RackRequest.head(env)
      headers ||= env['action_controller.instance']&.response&.headers
      facts = [false, RackRequest.preset(headers), env['rack.input']]
      Headers.block(facts[1])
      payload = nil
      unless io
        check_adopting
        io = taken = RackRequest.hijack(env)
      end
      RackRequest.check_head(env)
      request = take_over(io, unread, :free) do |fd, source, *bytes|
        peer = Adopt.peer(source, env['REMOTE_ADDR'])
        payload = "#{line} #{peer} #{env['rack.url_scheme'] || 'http'}\r\n#{block}\r\n"
        head = "#{line}\r\n#{block}\r\n"
        made = @queue.register(Request, payload, *facts) do |out|
          C.server_adopt_request(out, handle, fd, head, head.bytesize, *bytes)
        end
        adopted('adopt_request', made)
      end || Request.new(@queue, 0, payload, *facts).gone
    ensure
      taken&.close unless request
    end

    # Takes a WebSocket from a Rack server, in one line: answers the handshake, and calls the block for it in a thread
    # of its own, or in a fiber where a Fiber scheduler runs. A client whose handshake is wrong gets its answer, and the
    # block is not called. {#adopt_request} and {Request#websocket} give the WebSocket itself, without a thread.
    #
    #   run ->(env) { server.adopt_websocket(env) { |ws| ws.each { |message| ws << message } } }
    #
    # @param env [Hash] as {#adopt_request}
    # @param io [IO, #to_io, nil] as {#adopt_request}
    # @param protocol [String, Array<String>, nil] as {Request#websocket}
    # @param headers [#each, nil] as {#adopt_request}
    # @param unread [String] as {#adopt_request}
    # @yieldparam websocket [WebSocket] is closed at the end of the block, as by {Request#websocket}
    # @return [Array] for the Rack application to return; a server that hijacks ignores it
    # @raise as {#adopt_request}
    def adopt_websocket(env, io = nil, protocol: nil, headers: nil, unread: '', &block)
      raise InvalidError, 'adopt_websocket: a block is expected, and none was given' unless block

      request = adopt_request(env, io, headers: headers, unread: unread)
      websocket = request.websocket(protocol: protocol)
      talks = @pool.talk(websocket, &block)
      RackRequest::HIJACKED
    rescue Error => e
      request && Pool.own_end?(e, request) ? RackRequest::HIJACKED : raise # the client was wrong, or has left
    ensure
      request&.free
      websocket&.discard unless talks
    end

    # What to do with an error that a handler or a block of on_close or on_message raised; without this it is written to
    # stderr. Errors of a handler which only report that the connection has ended, or that the client broke the
    # protocol, are not reported.
    # @yieldparam error [StandardError, ScriptError, SystemStackError, NoMemoryError]
    # @yieldparam object [Request, Stream, Socket, WebSocket] a handler's request is answered with 500, if it was not;
    #   else the object whose on_close or on_message failed
    # @return [self]
    def on_error(&block)
      raise InvalidError, 'on_error: a block is expected, and none was given' unless block

      @on_error = block
      self
    end

    # Serves until {#stop} or the end of {#drain}. Ctrl-C, Thread#kill, Timeout and the like end it now, with the
    # server stopped.
    # @yieldparam request [Request] one that is not answered when the block ends is answered with 500; without a block
    #   all are answered with 404
    # @return [nil]
    # @raise [StateError, LimitError]
    def run(&handler)
      shielded do
        begin_serving(handler)
        serve
      end
    end

    # Serves in the background: in a thread, or in a fiber where a Fiber scheduler runs.
    # @yieldparam request [Request] as {#run}
    # @return [self]
    # @raise [StateError, LimitError]
    def start(&handler)
      shielded do
        begin_serving(handler)
        serve_in_background
      end
      self
    end

    # Serves, and yields each request to the block, one after the other, in the calling thread or fiber; ends as {#run}.
    # The block need not answer: it may give the request to somebody who does ({Request#free} is for those that nobody
    # will answer).
    # @yieldparam request [Request]
    # @return [self, Enumerator] without a block an Enumerator
    # @raise [StateError, LimitError]
    def each_request
      return enum_for(:each_request) unless block_given?

      shielded do
        begin_serving(false)
        serve_in_background
      end
      begin
        while (request = @pool.pop)
          yield request.weaken
        end
      ensure
        stop_here
      end
      self
    end

    # Waits until the server has stopped.
    # @return [self]
    # @raise [StateError] it was not started
    def wait
      @queue.check_fork('wait')
      raise Error.for(C::ESTATE, 'wait') unless @poller

      @done.pop
      raise @failure if @failure

      self
    end

    # @return [Boolean]
    def running?
      !@poller.nil? && !@done.closed? && !@queue.forked?
    end

    # Ends gently: stops accepting, lets open requests and streams finish, closes held members evenly over the time, and
    # what is left at its end. Returns immediately; {#wait} waits.
    # @param seconds [Numeric]
    # @return [self]
    # @raise [StateError, ShutdownError, InvalidError]
    def drain(seconds = 10)
      unless seconds.is_a?(Numeric) && !seconds.negative?
        raise InvalidError, "drain: expected seconds, 0 or more (got #{seconds.inspect})"
      end

      @pool.expect_end
      check(C.server_drain(handle, (seconds * 1000).to_i), "drain #{seconds}")
      self
    end

    # Ends now: every connection is closed. Waits until all is over, except for handlers that are still at work. A
    # second call does nothing. May be called from a trap; there it does not wait ({#wait} does, outside).
    # @return [nil]
    # @raise [ForkError]
    def stop
      @queue.check_fork('stop')
      @stopping = true
      @pool.expect_end
      return give_back unless @poller

      C.server_stop(handle)
      return if in_trap? || (@poller == Thread.current && !Fiber.current_scheduler) # whom the end waits for

      @done.pop
      @thread&.join unless @thread == Thread.current
      @pool.join
      nil
    end

    # @return [Hash{Symbol => Integer}] counters and gauges by name (docs/reference/statistics.md)
    # @raise [ShutdownError]
    def stats
      C.numbers(STATS, 'stats') { |out, count| @handles.shut(C.server_stats(out, count, handle)) }
    end

    # @return [String]
    def inspect
      "#<#{self.class} #{running? ? 'running' : 'not running'}>"
    end

    private

    def tls_set(cert: nil, key: nil, staple: nil, **options)
      raise InvalidError, 'listen: tls: cert: and key: belong together, and one of them is missing' if !cert ^ !key

      certificate(cert, key, staple: staple) if cert
      options.each { |name, value| self["tls_#{name}"] = value }
    end

    # Gives the block a copy of a connection's descriptor, its IO, and what was received and not read; the object that
    # it makes is not kept if an interrupt comes.
    def take_over(io, unread, discard)
      made = nil
      Adopt.take(io) do |fd, source|
        Adopt.with_buffered(source) do |buffered|
          bytes = unread.b << buffered
          made = yield(fd, source, bytes, bytes.bytesize)
        end
      end
      adopted = made
    ensure
      made&.__send__(discard) unless adopted
    end

    # @param made [Object, Integer] or an error's code
    # @return [Object, nil] what was made; nil: the client has gone
    def adopted(what, made)
      return made unless made.is_a?(Integer)

      check(made, what) unless made == C::ERESET
    end

    # Whether the library would take a connection now, which is refused as this is none.
    def check_adopting
      result = C.server_adopt(FFI::MemoryPointer.new(:uint64), handle, -1, nil, 0)
      check(result, 'adopt_request') unless result == C::ENOTSOCK
    end

    def handle
      @handles.server
    end

    def check(result, what)
      C.check(@handles.shut(result), what)
    end

    # handler: nil answers 404, false leaves the requests to {#each_request}
    def begin_serving(handler)
      raise Error.for(@stopping ? C::ESHUTDOWN : C::ESTATE, 'start') if @stopping || @poller

      @poller = Thread.current
      begin
        check(C.server_start(handle), 'start')
      rescue Error
        @poller = nil
        give_back if @stopping # by a thread that waits now
        raise
      end
      @fibers = !Fiber.current_scheduler.nil?
      needing_threads { @pool.handle_with(handler) } unless handler == false
      C.server_stop(handle) if @stopping # asked for by a trap, meanwhile
    end

    # Nobody serves where there cannot be so many.
    def needing_threads
      yield
    rescue ThreadError
      tear_down
      raise
    end

    def serve_in_background
      return Fiber.schedule { serve } if @fibers

      needing_threads { start_poller }
    end

    # It is known as the poller before it calls any block, which may ask.
    def start_poller
      known = Thread::Queue.new
      @poller = @thread = Thread.new { known.pop && serve(replaceable: true) }
      @thread.name = 'hijack poller'
      known << true
    end

    # No interrupt comes in the block, but where it is {#exposed}. Under a Fiber scheduler other fibers run meanwhile,
    # which must not be shielded; there, the one who interrupts is the scheduler, while a fiber waits.
    def shielded(&block)
      Fiber.current_scheduler ? yield : Thread.handle_interrupt(Object => :never, &block)
    end

    def exposed(&block)
      @fibers ? yield : Thread.handle_interrupt(Object => :immediate, &block)
    end

    # replaceable: another thread goes on when a block that it calls has ended this one
    def serve(replaceable: false)
      until @queue.stopped
        exposed { @queue.wait }
        in_block = replaceable
        @queue.dispatch { |request| @pool << request }
        in_block = false
      end
    rescue ForkError
      nil # the fiber goes on in a child, where there is nothing to serve
    rescue StandardError => e
      @failure = e
      raise
    ensure
      tear_down unless @queue.forked? || (in_block && !@failure && replaced?)
    end

    # Not while the whole process ends.
    def replaced?
      start_poller if Thread.main.alive?
    rescue ThreadError => e
      @failure = e
      false
    end

    # By the poller, at the end; nobody else polls. Who waits for an event is told the end, then those who wait for it.
    def tear_down
      @pool.expect_end
      C.server_stop(handle)
      @queue.dispatch(&:free)
    ensure
      begin
        @queue.close
        @pool.close
        @pool.join
      ensure
        give_back
      end
    end

    # Without a lock, since a trap may call it where nothing was started.
    def give_back
      @handles.free
      @done.close
      nil
    end

    # Where no Mutex can be had, and so nothing be waited for: what is interrupted may hold one.
    def in_trap?
      Mutex.new.synchronize { false }
    rescue ThreadError
      true
    end

    def stop_here
      stop unless @queue.forked?
    end
  end
end
