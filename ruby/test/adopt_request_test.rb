# frozen_string_literal: true

require_relative 'websocket_client'
require 'rack'
require_relative 'puma_here'

# Requests that another server has read.
class AdoptRequestTest < HijackTest
  include PumaHere

  def setup
    super
    @server = new_server
    @server.start
  end

  def env(method = 'GET', path = '/a?b=1', **more)
    Rack::MockRequest.env_for("http://test.example#{path}", method: method).merge(more.transform_keys(&:to_s))
  end

  # A request of this env, and its client.
  def adopt(env, **options)
    ours, theirs = tcp_pair
    request = @server.adopt_request(env, ours, **options)
    assert ours.closed?
    [request, theirs]
  end

  def test_says_what_the_other_server_has_read
    request, client = adopt(env('POST', '/a?b=1', REQUEST_URI: '/%61?b=%20', SERVER_PROTOCOL: 'HTTP/1.1',
                                                  HTTP_X_THING: 'one', CONTENT_TYPE: 'text/x', CONTENT_LENGTH: '3',
                                                  HTTP_TRANSFER_ENCODING: 'chunked', HTTP_EXPECT: '100-continue',
                                                  'rack.input': StringIO.new('abc')))
    assert_equal ['POST', '/%61?b=%20', '/%61', 'b=%20', 'HTTP/1.1', 'http', 'one', 'text/x', '3'],
                 [request.request_method, request.target, request.path, request.query, request.http_version,
                  request.scheme, *request.headers.to_h.values_at('x-thing', 'content-type', 'content-length')]
    assert_equal client.local_address.inspect_sockaddr, request.peer
    assert_equal 'test.example:80', request.headers['host']
    refute request.headers.key?('transfer-encoding') || request.headers.key?('expect')
    assert_equal ['abc', {}], [request.body.read, request.trailers.to_h]
    refute request.answered?
    request.respond 200, 'answer', 'x' => 'y'
    response = read_response(client)
    assert_equal [200, 'answer', 'y', 'close'],
                 [response.status, response.body, *response.headers.values_at('x', 'connection')]
    assert_raises(Hijack::StateError) { request.respond 200 }
  end

  # Servers say it in one of two variables.
  def test_a_client_of_http_1_0
    [{ SERVER_PROTOCOL: 'HTTP/1.0' }, { SERVER_PROTOCOL: 'HTTP/1.1', HTTP_VERSION: 'HTTP/1.0' }].each do |words|
      request, client = adopt(env('GET', '/', **words))
      assert_equal 'HTTP/1.0', request.http_version
      request.stream(200) { |stream| stream << 'until the end' }
      refute_match(/chunked/i, within { client.read })
    end
  end

  def test_a_client_that_has_reset_before
    before = descriptors
    ours, theirs = tcp_pair
    theirs.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii'))
    theirs.close
    eventually('the reset') do
      ours.remote_address && nil
    rescue Errno::ENOTCONN
      true
    end
    request = @server.adopt_request(env.merge('REMOTE_ADDR' => '192.0.2.1'), ours)
    assert ours.closed?
    assert_equal [true, '/a'], [request.closed?, request.path]
    assert_raises(Hijack::ClosedError) { request.respond 200 }
    assert_raises(Hijack::ClosedError) { request.sse }
    assert_nil request.hold(@server.broadcaster)
    request.free
    assert_equal before, descriptors
  end

  def test_headers_of_a_rails_controller
    controller = Struct.new(:response).new(Struct.new(:headers).new({ 'X-Set' => 'there', 'Content-Length' => '9' }))
    [{}, { headers: { 'x-own' => 'here' } }].each do |options|
      request, client = adopt(env.merge('action_controller.instance' => controller), **options)
      request.respond 200, 'x'
      assert_equal options.empty? ? ['there', nil] : [nil, 'here'],
                   read_response(client).headers.values_at('x-set', 'x-own')
    end
  end

  # While the other server can still answer.
  def test_what_is_refused_is_refused_before_the_connection_is_taken
    called = []
    mine = env.merge('rack.hijack' => -> { called << true })
    tls = Struct.new(:to_io) { def peercert; end }
    assert_raises(Hijack::StateError) { new_server.adopt_request(mine) }
    assert_raises(Hijack::HeaderError) { @server.adopt_request(mine, headers: { 'a b' => Object.new }) }
    assert_raises(Hijack::InvalidError) { @server.adopt_request(mine.merge('puma.socket' => tls.new)) }
    assert_raises(Hijack::InvalidError) { @server.adopt_request({}) }
    @server.drain(60)
    assert_raises(Hijack::ShutdownError) { @server.adopt_request(mine) }
    @server.stop
    assert_raises(Hijack::ShutdownError) { @server.adopt_request(mine) }
    assert_empty called
  end

  def test_a_head_that_puma_has_written_is_noticed
    errors = Thread::Queue.new
    app = lambda do |env|
      take = lambda do |io|
        @server.adopt_request(env, io).respond 200, 'twice'
      rescue Hijack::StateError => e
        errors << e.message
        @server.broadcaster.adopt(io, as: :sse_body)
        @server.drain(0)
      end
      [200, { 'connection' => 'close', 'rack.hijack' => take }, []]
    end
    puma(app) { |port, _| assert_equal '', get(port).body }
    assert_match(/has written a head already/, within { errors.pop })
  end

  # Where the server does not keep the target as it was sent, it is made from its decoded parts.
  def test_the_target_from_its_parts
    parts = { 'SCRIPT_NAME' => '/app', 'PATH_INFO' => "/\u00e9 ?", 'QUERY_STRING' => 'c=d' }
    request, = adopt(env.merge(parts))
    assert_equal '/app/%C3%A9%20%3F?c=d', request.target
    request.free
    request, = adopt(env.merge('SCRIPT_NAME' => '', 'PATH_INFO' => '', 'QUERY_STRING' => ''))
    assert_equal '/', request.target
    request.free
  end

  def test_is_answered_in_every_way
    clients = @server.broadcaster
    ways = {
      'respond' => ->(request) { request.respond 200, 'answer' },
      'stream' => ->(request) { request.stream { |stream| stream << 'answer' } },
      'sse' => ->(request) { request.sse { |stream| stream.send_event 'answer' } },
      'hold' => ->(request) { request.hold(clients) || (clients << 'answer').close },
      'hijack' => ->(request) { request.hijack { |socket| socket << 'answer' } },
      'partial' => ->(request) { request.hijack_partial(200) { |socket| socket << 'answer' } }
    }
    ways.each do |name, way|
      request, client = adopt(env)
      way.call(request)
      assert_match(/answer/, within { client.read }, name)
    end
    request, client = adopt(env)
    request.free
    assert_match(%r{\AHTTP/1\.1 500 }, within { client.read })
  end

  def test_to_head_the_head_alone_is_sent
    clients = @server.broadcaster
    [->(request) { request.respond 200, 'body' }, ->(request) { request.hold clients },
     ->(request) { request.sse { |stream| stream.send_event 'x' } }].each do |way|
      request, client = adopt(env('HEAD'))
      way.call(request)
      assert_match(%r{\AHTTP/1\.1 200 [^\r]*\r\n(?:[^\r]+\r\n)+\r\n\z}, within { client.read })
    end
    assert_equal 0, clients.count
  end

  # Cross-origin headers and cookies above all.
  MIDDLEWARE = { 'Access-Control-Allow-Origin' => '*', 'set-cookie' => "a=1\nb=2", 'vary' => %w[origin accept],
                 'X-Frame' => 'set by middleware', 'Content-Type' => 'text/html', 'Cache-Control' => 'max-age=1',
                 'content-length' => '5', 'Content-Encoding' => 'gzip', 'Transfer-Encoding' => 'chunked',
                 'connection' => 'keep-alive', 'keep-alive' => 'timeout=5', 'date' => 'then', 'etag' => 'W/"x"',
                 'rack.hijack' => ->(_) {}, 'x-nil' => nil }.freeze

  def test_what_middleware_has_set_goes_into_the_head
    clients = @server.broadcaster
    own = %w[text/event-stream no-cache]
    { 'respond' => %w[text/html max-age=1], 'sse' => own, 'hold' => own }.each do |way, (type, cache)|
      request, client = adopt(env, headers: MIDDLEWARE)
      case way
      when 'respond' then request.respond 200, 'body', 'x-frame' => 'set by the program'
      when 'sse' then request.sse('x-frame' => 'set by the program', &:comment)
      else request.hold(clients, headers: { 'X-Frame' => 'set by the program' }) || (clients << 'x').close
      end
      head = within { client.read }[/\A.*?\r\n\r\n/m].downcase
      lines = head.lines(chomp: true).drop(1)
      expected = ['access-control-allow-origin: *', 'set-cookie: a=1', 'set-cookie: b=2', 'vary: origin',
                  'vary: accept', 'x-frame: set by the program', "content-type: #{type}", "cache-control: #{cache}",
                  'connection: close']
      assert_empty expected - lines, way
      twice = lines.filter_map { |line| line[/\A[^:]+/] }.tally.select { |_, count| count > 1 }
      assert_equal %w[set-cookie vary], twice.keys.sort, way
      refute_match(%r{gzip|keep-alive|then|w/|rack|x-nil|set by middleware}, head)
    end
  end

  # The fields of a response that takes these headers from the application.
  def fields(headers)
    request, client = adopt(env, headers: headers)
    request.respond 200, 'body'
    within { client.read }[/\A.*?\r\n\r\n/m].lines(chomp: true).grep(/\A(?:set-cookie|x-)/)
  end

  def test_no_value_of_a_header_is_lost
    cookies = ['set-cookie: a=1', 'set-cookie: b=2', 'set-cookie: c=3']
    assert_equal cookies, fields([%w[Set-Cookie a=1], ['set-cookie', "b=2\nc=3"]])
    assert_equal cookies, fields({ 'Set-Cookie' => 'a=1', 'set-cookie' => %w[b=2 c=3] })
    assert_equal ['x-empty: ', 'x-number: 1'], fields({ 'x-empty' => '', 'x-number' => 1, 'x-nil' => nil })
    assert_raises(Hijack::HeaderError) { @server.adopt_request(env, headers: { 'x-hash' => { a: 1 } }) }
  end

  # Cookies of a session and one of the answer are both wanted, and caches must heed every Vary.
  def test_cookies_and_vary_of_the_answer_replace_none
    request, client = adopt(env, headers: { 'set-cookie' => 'session=1', 'Vary' => 'origin', 'x-frame' => 'deny' })
    request.respond 200, 'body', 'Set-Cookie' => 'seen=1', 'vary' => 'accept', 'x-frame' => 'sameorigin'
    lines = within { client.read }.downcase.lines(chomp: true)
    assert_equal ['set-cookie: session=1', 'vary: origin', 'set-cookie: seen=1', 'vary: accept', 'x-frame: sameorigin'],
                 lines.grep(/\A(?:set-cookie|vary|x-)/)
  end

  def test_the_client_that_leaves_is_noticed
    request, client = adopt(env)
    refute request.closed?
    client.close
    assert within { request.wait_closed(PATIENCE) }
    request.free
  end

  def test_what_follows_the_request_is_of_a_hijack
    ours, theirs = tcp_pair
    theirs.write "kept\nlast\n"
    assert_equal "kept\n", within { ours.gets }
    request = @server.adopt_request(env, ours, unread: 'first ')
    request.hijack do |socket|
      assert_equal "first last\n", within { socket.gets }
    end
  end

  def test_a_failure_leaves_the_connection_untouched
    ours, theirs = tcp_pair
    idle = new_server
    before = descriptors
    error = assert_raises(Hijack::InvalidError) { @server.adopt_request({}, ours) }
    assert_match(/a Rack env is expected, and \{\} came/, error.message)
    assert_raises(Hijack::HeaderError) { @server.adopt_request(env, ours, headers: { 'a' => "b\r\0" }) }
    assert_raises(Hijack::HeaderError) { @server.adopt_request(env('NO GOOD'), ours) }
    assert_raises(Hijack::StateError) { idle.adopt_request(env, ours) }
    assert_raises(Hijack::NotSocketError) { IO.pipe { |reader, _| @server.adopt_request(env, reader) } }
    refute ours.closed?
    theirs.write 'x'
    assert_equal 'x', ours.readpartial(1)
    assert_equal before, descriptors
    error = assert_raises(Hijack::NotSupportedError) { @server.adopt_request(env) }
    assert_match(/offers no rack.hijack/, error.message)
  end

  # The program cannot get at what rack.hijack gave.
  def test_a_connection_taken_by_it_is_closed_when_it_fails
    ours, theirs = IO.pipe
    hijack = { 'rack.hijack' => -> { ours } }
    assert_raises(Hijack::NotSocketError) { @server.adopt_request(env.merge(hijack)) }
    assert ours.closed?
    theirs.close
  end

  # What a Rack server makes of the handshake of a WebSocket.
  def handshake(path = '/', **more)
    headers = { HTTP_UPGRADE: 'websocket', HTTP_CONNECTION: 'Upgrade', HTTP_SEC_WEBSOCKET_VERSION: '13',
                HTTP_SEC_WEBSOCKET_KEY: WebSocketClient::KEY, HTTP_SEC_WEBSOCKET_PROTOCOL: 'a, b' }
    env('GET', path, **headers, **more)
  end

  def test_becomes_a_websocket
    request, client = adopt(handshake('/chat?room=1'), headers: MIDDLEWARE)
    assert request.websocket?
    assert_equal %w[a b], request.websocket_protocols
    ws = request.websocket(protocol: 'b', headers: { 'X-Frame' => 'set by the program' })
    assert_equal ['ws://test.example:80/chat?room=1', 'b'], [ws.url, ws.protocol]
    head = read_until(client, "\r\n\r\n")
    assert_match(%r{\AHTTP/1\.1 101 }, head)
    lines = head.downcase.lines(chomp: true).drop(1)
    expected = ['set-cookie: a=1', 'set-cookie: b=2', 'x-frame: set by the program', 'upgrade: websocket',
                'connection: upgrade', 'sec-websocket-protocol: b',
                "sec-websocket-accept: #{WebSocketClient::ACCEPT.downcase}"]
    assert_empty expected - lines
    refute_match(%r{gzip|keep-alive|set by middleware|content-type|content-length|etag}, head.downcase)
    client.write(WebSocketClient.frame(1, 'hello'))
    assert_equal 'hello', within { ws.read }
  end

  def test_what_followed_the_handshake_is_its_first_message
    ours, theirs = tcp_pair
    request = @server.adopt_request(handshake, ours, unread: WebSocketClient.frame(1, 'early'))
    assert_equal 'early', within { request.websocket.read }
    theirs.close
  end

  def test_adopt_websocket
    threads = Thread::Queue.new
    ours, theirs = tcp_pair
    response = @server.adopt_websocket(handshake, ours, protocol: %w[b], headers: { 'X-App' => 'demo' }) do |ws|
      threads << Thread.current
      ws << "#{ws.protocol} #{ws.read}"
    end
    assert_equal [204, {}, []], response
    thread = within { threads.pop }
    refute_same Thread.current, thread
    assert_equal 'hijack websocket', thread.name
    assert_match(/\r\nX-App: demo\r\n/i, read_until(theirs, "\r\n\r\n"))
    theirs.write(WebSocketClient.frame(1, 'hello'))
    read_until(theirs, "\x81\x07b hello\x88\x02\x03\xe8".b)
    within { thread.join }
  end

  def test_adopt_websocket_of_a_wrong_handshake
    [handshake(HTTP_ORIGIN: 'http://evil.example'), handshake(HTTP_SEC_WEBSOCKET_KEY: 'short'), env].zip(
      [403, 400, 426]
    ) do |wrong, status|
      ours, theirs = tcp_pair
      assert_equal [204, {}, []], @server.adopt_websocket(wrong, ours) { flunk 'no WebSocket' }
      assert_match(%r{\AHTTP/1\.1 #{status} }, within { theirs.read })
    end
  end

  def test_adopt_websocket_whose_block_fails
    errors = Thread::Queue.new
    @server.on_error { |error, object| errors << [error.message, object.class] }
    ours, theirs = tcp_pair
    @server.adopt_websocket(handshake, ours) { raise 'bad' }
    assert_equal ['bad', Hijack::WebSocket], within { errors.pop }
    read_until(theirs, "\r\n\r\n\x88\x02\x03\xf3".b)
  end

  def test_adopt_websocket_that_fails_leaves_the_connection_untouched
    ours, theirs = tcp_pair
    assert_raises(Hijack::InvalidError) { @server.adopt_websocket(handshake, ours) }
    assert_raises(Hijack::StateError) { new_server.adopt_websocket(handshake, ours) { nil } }
    assert_raises(Hijack::NotSupportedError) { @server.adopt_websocket(handshake) { nil } }
    refute ours.closed?
    assert_raises(Hijack::InvalidError) { @server.adopt_websocket(handshake, ours, protocol: 'c') { nil } }
    assert_match(%r{\AHTTP/1\.1 500 }, within { theirs.read })
  end

  def test_whether_an_env_asks_for_a_websocket
    assert_equal [true, true, false, false],
                 [handshake, env(HTTP_UPGRADE: 'h2c, WebSocket'), env(HTTP_UPGRADE: 'websockets'), env].map { |it|
                   Hijack::WebSocket.websocket?(it)
                 }
  end

  def test_a_websocket_from_puma
    clients = @server.broadcaster
    app = lambda do |env|
      case env['PATH_INFO']
      when '/echo' then @server.adopt_websocket(env) { |ws| ws.each { |message| ws << message } }
      when '/blocks'
        ws = @server.adopt_request(env).websocket
        ws.on_message { |message| ws << message.upcase }
        [-1, {}, []]
      else
        @server.adopt_request(env).hold(clients, as: :websocket)
        [-1, {}, []]
      end
    end
    puma(app) do |port, web|
      echoes = Array.new(5) { within { WebSocketClient.new(connect(port), '/echo') } }
      assert_equal 2, web.pool_capacity, "Puma's threads are free"
      echoes.each_with_index { |client, index| client.text("hello #{index}") }
      echoes.each_with_index { |client, index| assert_equal "hello #{index}", within { client.receive } }
      blocks = within { WebSocketClient.new(connect(port), '/blocks') }
      blocks.text("gr\u00fcn")
      assert_equal "GR\u00dcN", within { blocks.receive }
      member = within { WebSocketClient.new(connect(port), '/room') }
      eventually('a member') { clients.count == 1 }
      clients << 'to all'
      assert_equal 'to all', within { member.receive }
      echoes[0].close(4000, 'bye')
      assert_equal [:close, 4000, 'bye'], within { echoes[0].receive }
      evil = within { WebSocketClient.new(connect(port), '/echo', { 'Origin' => 'http://evil.example' }) }
      assert_equal 403, evil.status
    end
  end

  def test_from_puma
    clients = @server.broadcaster
    app = lambda do |env|
      response = Rack::Response.new([], 200, 'X-App' => 'demo', 'Content-Type' => 'text/html')
      response.set_cookie('session', 'abc')
      request = @server.adopt_request(env, headers: response.headers)
      body = request.body.read
      request.path == '/hold' ? request.hold(clients) : request.respond(200, "#{request.target} #{body}")
      [-1, {}, []]
    end
    puma(app) do |port, _|
      response = get(port, '/x?y=%20z', method: 'POST', body: 'abc')
      assert_equal ['/x?y=%20z abc', 'demo', 'session=abc', 'text/html'],
                   [response.body, *response.headers.values_at('x-app', 'set-cookie', 'content-type')]
      client = ask(port, '/hold')
      head = read_until(client, "\r\n\r\n")
      assert_equal ['demo', nil], [head[/^x-app: (.*)\r/, 1], head[%r{text/html}]]
      eventually('a member') { clients.count == 1 }
      clients << 'hello'
      read_until(client, "data: hello\n\n")
      assert_match(/x-app: demo\r\n.*\r\n\r\n\z/m, within { ask(port, '/hold', method: 'HEAD').read })
    end
  end
end
