# frozen_string_literal: true

module Hijack
  # A request. It is answered once ({#respond}), or becomes something else ({#stream}, {#sse}, {#hijack},
  # {#hijack_partial}, {#websocket}, {#hold}); each of these raises {StateError} the second time, and {ClosedError} if
  # the connection has ended. Any thread may do it; the head can be read at any time.
  class Request
    include Lifetime
    include Facts

    # @api private
    # @param payload [String] the head in the library's form, then the body
    # @param preset [#each, nil] response headers that another server has set
    # @param input [#read, nil] the body, where another server has read it
    def initialize(queue, handle, payload, in_pieces = false, preset = nil, input = nil)
      prepare_waiting(queue, queue.requests_lock)
      @handle = handle
      @payload = payload
      @tls = TLS.facts(handle, payload)
      return unless in_pieces || preset || input # what most requests do not have costs them nothing

      @preset = preset
      @input = input
      @body = (Body.new(self, queue, handle, nil) if in_pieces)
    end

    # @return [String] the target's path, "/a"; also of an absolute target ("http://host/a", RFC 9112 section 3.2.2)
    def path
      path = target.partition('?').first
      path.match?(%r{\Ahttps?://}i) ? "/#{path.split('/', 4)[3]}" : path
    end

    # @return [String, nil] the target after "?"
    def query
      target[/\?(.*)\z/m, 1]
    end

    # What a Rack application expects to find of TLS: rack.url_scheme and HTTPS; SSL_PROTOCOL, SSL_CIPHER, SSL_TLS_SNI,
    # SSL_CLIENT_VERIFY, SSL_CLIENT_S_DN and SSL_CLIENT_CERT as Apache and nginx name them; and puma.peercert, if the
    # program has loaded openssl.
    # @return [Hash{String => Object}] to be merged into an env; without TLS it has rack.url_scheme alone
    def tls_env
      env = { 'rack.url_scheme' => scheme }
      return env unless @tls

      env.update('HTTPS' => 'on', 'SSL_PROTOCOL' => tls_version, 'SSL_CIPHER' => tls_cipher,
                 'SSL_TLS_SNI' => tls_server_name, 'SSL_CLIENT_VERIFY' => tls_subject ? 'SUCCESS' : 'NONE',
                 'SSL_CLIENT_S_DN' => tls_subject, 'SSL_CLIENT_CERT' => tls_certificate)
      peer = defined?(::OpenSSL::X509::Certificate) && tls_certificate
      env['puma.peercert'] = ::OpenSSL::X509::Certificate.new(peer) if peer
      env.compact
    end

    # @return [Headers]
    def headers
      @headers ||= Headers.new(before("\r\n\r\n").split("\r\n").drop(1))
    end

    # @return [Body, #read] to be read like an IO, decoded; empty without one. Of a request that another server
    #   has read ({Server#adopt_request}) it is that server's rack.input.
    def body
      @input || @body || @lock.synchronize do
        @body ||= Body.new(self, @queue, @handle, @payload.byteslice((@payload.index("\r\n\r\n") + 4)..))
      end
    end

    # @return [Headers] what followed a chunked body that was read in pieces to its end; else empty
    def trailers
      @body ? @body.trailers : Headers.new([])
    end

    # @return [Boolean] whether it was answered or became something else
    def answered?
      !@answered.nil?
    end

    # Whether it is the request's own connection that has ended.
    # @api private
    def own?(source)
      [self, @body, @became].compact.any? { |it| it.equal?(source) }
    end

    # Answers. Date, Content-Length and Connection are the library's.
    #
    #   request.respond 200, 'hello', 'content-type' => 'text/plain'
    #   request.respond 200, body: 'hello', headers: headers
    #
    # @param status [Integer] 200 to 999
    # @param text [String] the body, also as body:
    # @param fields [Hash, Array, Headers, nil] the headers, also as headers:, or one by one: names and values. nil as
    #   value leaves the header out, an Array stands for one header for each element; a Symbol and an Integer are sent
    #   as their to_s
    # @param body [String] see text
    # @param headers [Hash, Array, Headers, nil] see fields
    # @param more [Hash] see fields
    # @return [nil]
    # @raise [HeaderError, InvalidError, StateError, ClosedError]
    def respond(status, text = '', fields = nil, body: text, headers: fields, **more)
      raise InvalidError, "respond: body: expected a String (got #{body.inspect[0, 80]})" unless body.is_a?(String)

      block = head_block(headers, more)
      answer("respond #{status}") do
        C.request_respond(@handle, status, block, block.bytesize, body, body.bytesize)
      end
      nil
    end

    # Answers with a head; the body is written to the stream. With a block the stream is closed at its end, and aborted
    # when the block fails, so that the client sees a broken body.
    # @param status [Integer] 200 to 999
    # @param fields [Hash, Array, nil] headers, parameters as {#respond}; a Content-Length is how many bytes will come
    # @yieldparam stream [Stream]
    # @return [Stream, Object] without a block the stream, which is the program's to close; with one what it returns
    # @raise as {#respond}
    def stream(status = 200, fields = nil, headers: fields, **more, &block)
      flat = head_block(headers, more)
      become(Stream, "stream #{status}", block) do |out|
        C.request_stream(out, @handle, status, flat, flat.bytesize)
      end
    end

    # Answers with the head of Server-Sent Events; heartbeats keep the stream alive (option heartbeat_ms). A client that
    # comes back sends in headers['last-event-id'] what it saw last.
    # @param fields [Hash, Array, nil] headers that are added, parameters as {#respond}
    # @yieldparam stream [Stream] as for {#stream}
    # @return [Stream, Object] as {#stream}
    # @raise as {#respond}
    def sse(fields = nil, headers: fields, **more, &block)
      flat = head_block(headers, more, C::HOLD_SSE)
      become(Stream, 'sse', block) { |out| C.request_sse(out, @handle, flat, flat.bytesize) }
    end

    # Full hijack: the connection itself, with nothing written to it. With a block it is closed at its end, and aborted
    # when the block fails.
    # @yieldparam socket [Socket]
    # @return [Socket, Object] without a block the socket, which is the program's to close; with one what it returns
    # @raise [StateError, ClosedError]
    def hijack(&block)
      become(Socket, 'hijack', block, peer) { |out| C.request_hijack(out, @handle) }
    end

    # Partial hijack: writes a head, then gives the connection.
    # @param status [Integer] 100 to 999; 101 switches protocols
    # @param fields [Hash, Array, nil] headers, parameters as {#respond}; "Connection: close" is added unless there is a
    #   Connection
    # @yieldparam socket [Socket] as for {#hijack}; to HEAD the program must not write a body
    # @return [Socket, Object] as {#hijack}
    # @raise as {#respond}
    def hijack_partial(status = 200, fields = nil, headers: fields, **more, &block)
      flat = head_block(headers, more)
      become(Socket, "hijack_partial #{status}", block, peer) do |out|
        C.request_hijack_partial(out, @handle, status, flat, flat.bytesize)
      end
    end

    # @return [Boolean] whether the client asks for a WebSocket; whether its handshake is right, {#websocket} finds out
    def websocket?
      headers.values('upgrade').any? { |value| value.match?(/(?:\A|,)\s*websocket\s*(?:,|\z)/i) }
    end

    # @return [Array<String>] the subprotocols that the client offers, the one that it likes best first
    def websocket_protocols
      headers.values('sec-websocket-protocol').flat_map { |value| value.split(',') }.map(&:strip).reject(&:empty?)
    end

    # Accepts a WebSocket. With a block it is closed at its end with code 1000, and with 1011 when the block fails.
    #
    #   request.websocket { |ws| ws.each { |message| ws << message } }
    #
    # @param protocol [String, Array<String>, nil] the subprotocol to agree upon, which the client has to offer; of an
    #   Array the first one that the client offers, or none
    # @param headers [Hash, Array, nil] are added to the head
    # @yieldparam websocket [WebSocket]
    # @return [WebSocket, Object] without a block the WebSocket, which is the program's to close; with one what it
    #   returns
    # @raise [ProtocolError] the client's handshake is wrong, or its page is of another origin: the client has its
    #   answer. A handler need not rescue this.
    # @raise [NotSupportedError] over HTTP/2; the request is still to be answered
    # @raise [InvalidError] the client does not offer this protocol
    # @raise as {#respond}
    def websocket(protocol: nil, headers: nil, &block)
      protocol = (protocol & websocket_protocols).first if protocol.is_a?(Array)
      flat = head_block(headers, {}, C::HOLD_WEBSOCKET)
      what = protocol ? "websocket, protocol #{protocol} of #{websocket_protocols}" : 'websocket'
      become(WebSocket, what, block, protocol, websocket_url) do |out|
        C.request_websocket(out, @handle, *Text.sized(protocol), flat, flat.bytesize)
      end
    end

    # Makes the connection a member of a broadcaster, without an object of its own. A client that has already left is
    # not an error.
    # @param broadcaster [Broadcaster]
    # @param as [:sse, :stream, :raw, :websocket, :long_poll] the head that is written, and how messages are:
    #   docs/reference/c/broadcaster.md; :long_poll waits for one response, see {Broadcaster#respond}
    # @param headers [Hash, Array, nil] are added to the head
    # @param user [Integer, String, nil] whose connection it is, for {Broadcaster#publish_to} and the like: a number
    #   from 1 to 2**64 - 1, or a text, of which {Hijack.user} makes one; nil: nobody's
    # @param first [String, nil] what it is sent before everything that is published later: bytes of the body
    #   ({Hijack.event} makes those of an event), for a WebSocket one text message
    # @param position [String, nil] where it goes on, if the broadcaster keeps a history: a {Broadcaster#position}, an
    #   id of the program's own, or '*' for all that is kept; nil: the client's Last-Event-ID, if it has sent one
    # @return [nil]
    # @raise as {#respond}; with as: :websocket as {#websocket}
    # @raise [InvalidError] user, first or position
    # @raise [StateError] a position, and the broadcaster keeps no history
    def hold(broadcaster, as: :sse, headers: nil, user: nil, first: nil, position: nil)
      kind = Adopt.kind(as)
      flat = head_block(headers, {}, kind)
      room = Broadcaster.handle(broadcaster, 'hold')
      user = Newcomer.user(user, 'hold')
      start = [*Newcomer.first(first, kind, 'hold'), *Newcomer.position(position, room, 'hold')]
      answer('hold') do
        result = C.request_hold(@handle, room, kind, user, flat, flat.bytesize, *start)
        left?(result) ? 0 : result
      end
      nil
    end

    # Releases it: one that is not answered is answered with 500, and the rest of a body in pieces is not read. Handlers
    # need not do this; the block of {Server#each_request} has to, with requests that nobody will answer, or whose body
    # in pieces nobody will read to its end.
    # @return [nil]
    def free
      handle = @handle
      return if handle.zero?

      @freed = true
      @handle = 0
      @queue.forget(handle)
      C.request_free(handle)
      finish(C::ECLOSED)
    end

    # @return [String]
    def inspect
      "#<#{self.class} #{request_method} #{target}#{' answered' if answered?}>"
    end

    # Whoever waits for it may drop it.
    # @return [self]
    # @api private
    def weaken
      @queue.weaken(@handle, @handle, self)
    end

    # @api private
    def on_data(data)
      @body.on_data(data)
    end

    # @api private
    def on_eof(trailers)
      @body.on_trailers(trailers)
    end

    # Its last event. The handle is still to be freed: now, where the answer has left that to the body's end.
    # @api private
    def on_closed(status)
      finish(status.zero? ? C::ECLOSED : status)
      @answered ? free : @queue.forget(@handle) # where on_close has put it back
    end

    private

    # Whatever has ended the connection: to who answers, the client has left.
    def reason_code
      @ended == C::ESHUTDOWN ? @ended : C::ECLOSED
    end

    # Whether a call has failed because the client has left.
    def left?(result)
      !@answered && !@freed && (result == C::ECLOSED || (result == C::EHANDLE && @ended))
    end

    def finish(code)
      @body&.on_closed(code)
      @lock.synchronize do
        @ended ||= code
        over
      end
      nil
    end

    # With what another server has set, where the program sets nothing of that name (or both go together), and the kind
    # of answer permits it.
    def head_block(headers, more, kind = C::HOLD_STREAM)
      given = Headers.block(headers, more)
      own = RackRequest::OWN[kind]
      return given unless @preset && own

      replaced = given.downcase.scan(/^[^:]+/) - C::ADDED
      Headers.block(@preset.except(*replaced, *own)) << given
    end

    def websocket_url
      target = self.target
      target = "/#{target.split('/', 4)[3]}" if target.match?(%r{\Ahttps?://}i)
      "#{scheme == 'https' ? 'wss' : 'ws'}://#{headers['host']}#{target}"
    end

    # The payload up to there, as UTF-8 where it is that.
    def before(mark)
      text = @payload.byteslice(0, @payload.index(mark)).force_encoding(Encoding::UTF_8)
      text.valid_encoding? ? text : text.b
    end

    def line
      @line ||= before("\r\n").split
    end

    def answer(what)
      result = yield
      answered(what) if result == C::EPROTOCOL # the library has answered a client whose handshake is wrong
      refuse(result, what) if result.negative?
      answered(what)
    end

    # The handle goes with the answer, unless the body is still to be read.
    def answered(what)
      @answered = what
      free unless @body&.open?
    end

    # Nothing that was answered or freed has a handle.
    def refuse(code, what)
      return super unless (@answered || @freed) && [C::EHANDLE, C::ESTATE].include?(code)

      raise StateError, "#{what}: the request #{@answered ? "was answered already, by #{@answered}" : 'has been freed'}"
    end

    def become(kind, what, block, *facts, &call)
      connection = nil
      Thread.handle_interrupt(Object => :never) { connection = register(kind, what, *facts, &call) }
      result = block ? connection.use(&block) : connection
      handed_over = true
      result
    ensure
      connection&.discard unless handed_over
    end

    def register(kind, what, *facts, &call)
      made = @queue.register(kind, *facts, &call)
      answer(what) { made.is_a?(Integer) ? made : 0 }
      @became = made
    end
  end
end
