# frozen_string_literal: true

require 'zlib'
require_relative 'websocket_client'

class WebSocketTest < WebSocketTestCase
  ECHO = ->(request) { request.websocket { |ws| ws.each { |message| ws << message } } }
  TEXTS = ['', 'hello', "Gr\u00fc\u00dfe, \u4e16\u754c \u{1f30d}", "\0", 'x' * 125, 'x' * 126, 'x' * 65_536,
           "\u20ac" * 50_000].freeze

  def test_texts_and_binary_messages_keep_their_kind
    seen = []
    port = serve do |request|
      request.websocket { |ws| ws.each { |message| (seen << message.encoding) && ws << message } }
    end
    client = open_socket(port)
    TEXTS.each do |text|
      client.text(text)
      assert_equal text, receive(client)
      client.binary(text)
      assert_equal text.b, receive(client)
    end
    assert_equal [Encoding::UTF_8, Encoding::BINARY] * TEXTS.size, seen
  end

  def test_the_handshake
    ws, client = websocket('/chat?room=1', { 'Sec-WebSocket-Protocol' => 'json' })
    assert_match(/\r\nSec-WebSocket-Accept: #{Regexp.escape(WebSocketClient::ACCEPT)}\r\n/, client.head)
    assert_equal [101, 'ws://test/chat?room=1', nil, Hijack::WebSocket::OPEN, nil, nil, false],
                 [client.status, ws.url, ws.protocol, ws.ready_state, ws.close_code, ws.close_reason, ws.closed?]
    assert_equal '#<Hijack::WebSocket open>', ws.inspect
  end

  def test_what_a_request_says_of_it
    port = serve do |request|
      request.respond 200, [request.websocket?, *request.websocket_protocols].inspect
    end
    asks = { {} => [false], { 'Upgrade' => 'h2c' } => [false], { 'Upgrade' => 'h2c, WebSocket' } => [true],
             { 'Upgrade' => 'websocket', 'Sec-WebSocket-Protocol' => 'a,b , c' } => [true, 'a', 'b', 'c'] }
    asks.each { |headers, expected| assert_equal expected.inspect, get(port, '/', headers).body }
  end

  def test_a_subprotocol
    ways = { 'json' => 'json', %w[xml json] => 'json', %w[xml] => nil, [] => nil, nil => nil }
    errors = []
    port = serve do |request|
      way = ways.keys[request.path[/\d/].to_i]
      request.websocket(protocol: way, headers: { 'X-One' => '1' }) { |ws| ws << ws.protocol.inspect }
    end
    @server.on_error { |error, _| errors << error }
    ways.values.each_with_index do |expected, index|
      client = open_socket(port, "/#{index}", { 'Sec-WebSocket-Protocol' => 'text, json' })
      assert_equal [expected, expected.inspect], [client.head[/^Sec-WebSocket-Protocol: (.*)\r/, 1], receive(client)]
      assert_match(/\r\nX-One: 1\r\n/, client.head)
    end
    assert_equal 500, open_socket(port, '/0').status
    assert_kind_of Hijack::InvalidError, errors.first
    assert_match(/\Awebsocket, protocol json of \[\]: /, errors.first.message)
  end

  def test_headers_of_the_handshake_itself_are_refused
    messages = []
    port = serve do |request|
      [{ 'Upgrade' => 'x' }, { 'Sec-WebSocket-Accept' => 'x' }, { 'x' => "y\r\nz: 1" }].each do |headers|
        messages << assert_raises(Hijack::HeaderError) { request.websocket(headers: headers) }.message
      end
      refute request.answered?
      request.websocket { |ws| ws << 'fine' }
    end
    assert_equal 'fine', receive(open_socket(port))
    assert_equal 3, messages.size
  end

  def test_a_wrong_handshake_is_answered_by_the_library
    errors = []
    seen = Thread::Queue.new
    port = serve do |request|
      request.websocket
    ensure
      seen << [$!.class, request.answered?]
    end
    @server.on_error { |error, _| errors << error }
    wrong = [[400, { 'Sec-WebSocket-Key' => 'short' }], [426, { 'Upgrade' => nil }],
             [426, { 'Sec-WebSocket-Version' => '8' }], [403, { 'Origin' => 'http://evil.example' }],
             [405, {}, { method: 'PUT' }]]
    wrong.each do |status, headers, options|
      client = open_socket(port, '/', headers, **options.to_h)
      assert_equal status, client.status, client.head
      assert_match(/\r\nSec-WebSocket-Version: 13\r\n/i, client.head) if status == 426
      assert_equal [Hijack::ProtocolError, true], within { seen.pop }
    end
    assert_empty errors
    client = open_socket(port, '/', { 'Origin' => 'http://test' })
    assert_equal 101, client.status
  end

  def test_what_the_error_of_a_refusal_says
    messages = Thread::Queue.new
    port = serve do |request|
      messages << assert_raises(Hijack::ProtocolError) { request.websocket }.message
      assert_raises(Hijack::StateError) { request.respond 200 }
      messages << 'answered once'
    end
    open_socket(port, '/', { 'Origin' => 'http://evil.example' })
    assert_match(/\Awebsocket: .* another origin \(option websocket_origins\)/, within { messages.pop })
    assert_equal 'answered once', within { messages.pop }
  end

  def test_other_origins_may_be_let_in
    port = serve(websocket_origins: 'same, https://app.example', &ECHO)
    assert_equal [101, 403], ['https://app.example', 'https://evil.example'].map { |origin|
      open_socket(port, '/', { 'Origin' => origin }).status
    }
  end

  def test_the_encoding_says_what_is_sent
    ws, client = websocket
    sent = { 'text' => 'text', "\u00e9" => "\u00e9", "\u00e9".encode(Encoding::UTF_16LE) => "\u00e9", 42 => '42',
             nil => '', :symbol => 'symbol', "\xff\x00".b => "\xff\x00".b, [1, 2, 255] => "\x01\x02\xff".b,
             'ascii'.encode(Encoding::US_ASCII) => 'ascii', ''.b => ''.b }
    sent.each do |message, expected|
      size = ws.send(message)
      got = receive(client)
      assert_equal [expected, expected.encoding, expected.bytesize], [got, got.encoding, size]
    end
    assert_same ws, ws << 'one' << 'two'.b
    assert_equal 5, ws.send_binary("gr\u00fcn")
    assert_equal 5, ws.send_text("gr\u00fcn".b)
    assert_equal ['one', 'two'.b, "gr\u00fcn".b, "gr\u00fcn"], Array.new(4) { receive(client) }
    invalid = ["\xff", "\xff".dup.force_encoding(Encoding::US_ASCII)]
    invalid.each { |text| assert_raises(Hijack::InvalidError) { ws << text } }
    error = assert_raises(Hijack::InvalidError) { ws.send_text("\xff".b) }
    assert_match(/has to be valid UTF-8, .*: send bytes with send_binary/, error.message)
    ws << 'open still'
    assert_equal 'open still', receive(client)
  end

  def test_large_and_fragmented
    port = serve(&ECHO)
    client = open_socket(port)
    bytes = Random.new(1).bytes(1 << 20)
    client.binary(bytes)
    assert_equal bytes.hash, receive(client).hash
    client.send_frame(1, "\u20ac".b[0, 2], final: false)
    client.send_frame(9, 'between')
    client.send_frame(0, '', final: false)
    client.send_frame(0, "\u20ac".b[2, 1] + ' and the rest')
    assert_equal [[:pong, 'between'], "\u20ac and the rest"], [receive(client), receive(client)]
  end

  # The library does it; a message is the same to the program.
  def test_compressed_messages
    ws, client = websocket('/', { 'Sec-WebSocket-Extensions' => 'permessage-deflate' })
    skip 'a library without compression' unless client.head.match?(/^Sec-WebSocket-Extensions: permessage-deflate/)
    text = "gr\u00fcn " * 10_000
    compressed = Zlib::Deflate.new(nil, -15).deflate(text, Zlib::SYNC_FLUSH).delete_suffix("\0\0\xff\xff".b)
    client.send_frame(0x41, compressed)
    assert_equal text, within { ws.read }
    ws << text
    frame = within { client.next_frame }
    assert_operator frame.data.bytesize, :<, 5000
    plain = Zlib::Inflate.new(-15).inflate(frame.data + "\0\0\xff\xff".b)
    assert_equal text, plain.force_encoding(Encoding::UTF_8)
  end

  def test_pings
    ws, client = websocket
    refute ws.closed?
    client.send_frame(9, 'before the program reads')
    assert_equal [:pong, 'before the program reads'], receive(client)
    assert_same ws, ws.ping('ours').ping
    assert_equal [[:ping, 'ours'], [:ping, '']], [receive(client), receive(client)]
    client.send_frame(10, 'ours')
    assert_raises(Hijack::InvalidError) { ws.ping('x' * 126) }
    client.text('the pong is no message')
    assert_equal 'the pong is no message', within { ws.read }
  end

  def test_the_library_pings_by_itself
    ws, client = websocket(websocket_ping_ms: 50, websocket_pong_ms: 50)
    assert_raises(Hijack::TimedOutError) { within { ws.read } }
    assert_equal [:ping, ''], receive(client)
    assert_equal [1006, '', Hijack::TimedOutError], [ws.close_code, ws.close_reason, ws.close_error.class]
  end

  def test_the_client_closes
    ws, client = websocket
    ends = Thread::Queue.new
    2.times { ws.on_close { |*facts| ends << facts } }
    client.text('last')
    client.close(4001, "bye  now \u00e9")
    assert_equal ['last', nil, nil], within { [ws.read, ws.read, ws.receive] }
    assert_equal [4001, "bye  now \u00e9", true, 3, nil], [ws.close_code, ws.close_reason, ws.closed?, ws.ready_state,
                                                         ws.close_error]
    assert_equal [[4001, "bye  now \u00e9"]] * 2, within { [ends.pop, ends.pop] }
    ws.on_close { |code, _| ends << code }
    assert_equal 4001, ends.pop(true)
    assert within { ws.wait_closed }
    assert_equal [:close, 4001, "bye  now \u00e9".b], receive(client)
    assert_equal '', within { client.rest }
    [-> { ws << 'x' }, -> { ws.ping }, -> { ws.write_nonblock('x') }, -> { ws.send_binary('x') }].each do |call|
      assert_raises(Hijack::ClosedError, &call)
    end
    assert_nil ws.close
    assert_equal '#<Hijack::WebSocket 4001 bye  now é>', ws.inspect
    assert_equal 0, ends.size
  end

  def test_a_close_without_a_code
    ws, client = websocket
    client.send_frame(8)
    assert_nil within { ws.read }
    assert_equal [1005, ''], [ws.close_code, ws.close_reason]
  end

  def test_the_program_closes
    ws, client = websocket
    ends = Thread::Queue.new
    ws.on_close { |code, reason| ends << [code, reason] }
    client.text('never read')
    ws << 'before'
    assert_nil ws.close(4000, "\u00e9" * 61)
    assert_equal [true, 2, nil, '#<Hijack::WebSocket closing>'], [ws.closed?, ws.ready_state, ws.close_code, ws.inspect]
    assert_nil ws.read
    assert_raises(Hijack::ClosedError) { ws << 'after' }
    refute ws.wait_closed(0.02)
    assert_equal ['before', [:close, 4000, ("\u00e9" * 61).b]], [receive(client), receive(client)]
    client.text('thrown away')
    client.close(1001, 'not the first')
    assert within { ws.wait_closed }
    assert_equal [4000, "\u00e9" * 61, 3, nil], [ws.close_code, ws.close_reason, ws.ready_state, ws.close_error]
    assert_equal [4000, "\u00e9" * 61], within { ends.pop }
    2.times { assert_nil ws.close }
    assert_equal 0, ws.instance_variable_get(:@queue).size, 'it wants no events any more'
  end

  def test_a_client_that_does_not_answer_the_close
    ws, client = websocket(websocket_pong_ms: 50)
    ws.close
    assert within { ws.wait_closed }
    assert_equal [1000, Hijack::TimedOutError], [ws.close_code, ws.close_error.class]
    assert_nil ws.read
    assert_equal [:close, 1000, ''], receive(client)
  end

  def test_a_close_that_is_refused_leaves_it_open
    ws, client = websocket
    [[999], [1005], [1006], [5000], [1000, 'x' * 124], [1000, "\xff"]].each do |arguments|
      error = assert_raises(Hijack::InvalidError, arguments.inspect) { ws.close(*arguments) }
      assert_match(/\Aclose: expected a code .*\(got #{arguments[0]}, /, error.message)
    end
    refute ws.closed?
    ws << 'open'
    assert_equal 'open', receive(client)
  end

  def test_close_wakes_who_reads_and_who_writes
    ws, = websocket
    fill_socket(ws)
    reader = Thread.new { ws.read }
    writer = Thread.new { assert_raises(Hijack::ClosedError) { ws << 'x' } }
    eventually('wait') { [reader, writer].all? { |thread| thread.status == 'sleep' } }
    ws.close
    assert_nil within { writer.join && reader.value }
  end

  def test_close_from_within_the_loop
    port = serve { |request| request.websocket { |ws| ws.each { |message| message == 'end' && ws.close(4002) } } }
    client = open_socket(port)
    client.text('go on')
    client.text('end')
    assert_equal [:close, 4002, ''], receive(client)
  end

  def test_the_end_of_the_block_closes
    port = serve { |request| request.websocket { |ws| request.path == '/kill' ? Thread.exit : ws << 'bye' } }
    client = open_socket(port)
    assert_equal ['bye', [:close, 1000, '']], [receive(client), receive(client)]
    assert_equal [:close, 1011, ''], receive(open_socket(port, '/kill'))
  end

  def test_a_block_that_fails_closes_with_1011
    errors = []
    port = serve { |request| request.websocket { |_| raise 'bad' } }
    @server.on_error { |error, object| errors << [error.message, object.class] }
    client = open_socket(port)
    assert_equal [:close, 1011, ''], receive(client)
    assert_equal [['bad', Hijack::Request]], errors
  end

  def test_a_client_that_breaks_the_rules
    broken = { 1002 => ->(it) { it.send_frame(3, 'x') }, 1007 => ->(it) { it.text("\xff".b) },
               1009 => ->(it) { it.binary('x' * 2000) } }
    broken.each do |code, break_rules|
      ws, client = websocket(websocket_message_bytes: 1000)
      break_rules.call(client)
      error = assert_raises(Hijack::ProtocolError) { within { ws.read } }
      assert_match(/\Aread: /, error.message)
      assert_equal code, ws.close_code
      refute_empty ws.close_reason
      assert_equal [:close, code], receive(client).first(2)
      assert_raises(Hijack::ProtocolError) { ws << 'x' }
    end
  end

  def test_a_connection_that_goes_without_a_close_frame
    ws, client = websocket
    client.text('last')
    client.io.close
    assert_equal ['last', nil], within { [ws.read, ws.read] }
    assert_equal [1006, '', nil, true], [ws.close_code, ws.close_reason, ws.close_error, ws.closed?]
  end

  def test_a_reset
    ws, client = websocket
    reset(client)
    assert_raises(Hijack::ResetError) { within { ws.read } }
    assert_equal [1006, Hijack::ResetError], [ws.close_code, ws.close_error.class]
    assert_raises(Hijack::ResetError) { ws << 'x' }
  end

  def test_abort
    ws, client = websocket
    ends = []
    ws.on_close { |*facts| ends << facts }
    reader = Thread.new { assert_raises(Hijack::AbortedError) { ws.read } }
    eventually('waits') { reader.status == 'sleep' }
    2.times { assert_nil ws.abort }
    within { reader.join }
    assert_raises(Errno::ECONNRESET) { within { client.receive } }
    eventually('told') { ends == [[1006, '']] }
    assert_equal [1006, 3], [ws.close_code, ws.ready_state]
  end

  def test_abort_cuts_the_wait_for_the_answer_to_a_close
    ws, client = websocket
    ws.close
    assert_equal [:close, 1000, ''], receive(client)
    ws.abort
    assert within { ws.wait_closed }
    assert_raises(Errno::ECONNRESET, EOFError) { within { client.receive } }
  end

  def test_stop_and_drain_say_1001
    ws, client = websocket
    ends = Thread::Queue.new
    ws.on_close { |code, _| ends << code }
    reader = Thread.new { assert_raises(Hijack::ShutdownError) { ws.read } }
    eventually('waits') { reader.status == 'sleep' }
    @server.stop
    within { reader.join }
    assert_equal [:close, 1001, ''], receive(client)
    assert_kind_of Integer, within { ends.pop }
    assert_raises(Hijack::ShutdownError) { ws << 'x' }
    assert_nil ws.close
  end

  def test_enumerable
    ws, client = websocket
    3.times { |number| client.text(number.to_s) }
    client.close
    assert_equal %w[0 1], within { ws.first(2) }
    assert_equal ['2'], within { ws.each.to_a }
    assert_equal [], ws.to_a
    assert_equal [], ws.each_piece.to_a
  end

  def test_a_timeout_loses_nothing
    ws, client = websocket
    ws.timeout = 0.02
    error = assert_raises(Hijack::WaitTimeoutError) { ws.read }
    assert_equal 'read: not possible within 0.02 s', error.message
    client.send_frame(1, 'first ', final: false)
    assert_raises(Hijack::WaitTimeoutError) { ws.read }
    client.send_frame(0, 'second')
    ws.timeout = nil
    assert_equal 'first second', within { ws.read }
  end

  def test_a_killed_reader_loses_nothing
    ws, client = websocket
    reader = Thread.new { ws.read }
    eventually('waits') { reader.status == 'sleep' }
    within { reader.kill.join }
    client.text('for the next one')
    assert_equal 'for the next one', within { ws.read }
  end

  # The replies to what came before it go out before the closing is answered.
  def test_a_close_right_behind_messages
    [ECHO, ->(request) { ws = request.websocket and ws.on_message { |message| ws << message } }].each do |handler|
      port = serve(&handler)
      frames = Array.new(50) { |number| WebSocketClient.frame(1, number.to_s) }
      frames << WebSocketClient.frame(8, [1000].pack('n'))
      client = open_socket(port, '/', {}, behind: frames.join)
      assert_equal [*(0...50).map(&:to_s), [:close, 1000, '']], Array.new(51) { receive(client) }
    end
  end

  def test_a_hangup_while_the_program_is_busy
    ws, client = websocket
    ends = Thread::Queue.new
    ws.on_close { |code, _| ends << code }
    client.text('one')
    assert_equal 'one', within { ws.read }
    client.text('two')
    client.close(4003)
    client.io.close
    assert within { ws.wait_closed }
    assert_equal [true, nil, 0], [ws.closed?, ws.close_code, ends.size]
    assert_equal ['two', nil], within { [ws.read, ws.read] }
    assert_equal [4003, 4003], [ws.close_code, within { ends.pop }]
  end

  def test_a_hangup_that_nobody_who_reads_will_find
    ws, client = websocket
    ends = Thread::Queue.new
    ws.on_close { |code, _| ends << code }
    client.text('not wanted')
    eventually('came') { !ws.instance_variable_get(:@pieces).empty? }
    client.io.close
    assert_equal 1006, within { ends.pop }
    assert ws.closed?
  end

  def test_a_program_that_only_sends_notices_the_end
    %i[<< write_nonblock].each do |call|
      ws, client = websocket
      ws.public_send(call, 'greeting')
      client.close(1001)
      assert_equal ['greeting', [:close, 1001, '']], [receive(client), receive(client)]
    end
    ws, client = websocket
    @server.broadcaster << ws
    client.close(1001)
    assert_equal [:close, 1001, ''], receive(client)
  end

  def test_a_greeting_goes_out_before_the_close_is_answered
    port = serve do |request|
      request.websocket do |ws|
        @gate.pop
        ws << 'hello'
        ws.each { |message| ws << message }
      end
    end
    @gate = Thread::Queue.new
    client = open_socket(port, '/', {}, behind: WebSocketClient.frame(8, [1000].pack('n')))
    @gate << :go
    assert_equal ['hello', [:close, 1000, '']], [receive(client), receive(client)]
  end

  def test_on_message_calls_one_after_the_other
    got = Thread::Queue.new
    busy = 0
    ws, client = websocket(workers: 3)
    assert_same ws, ws.on_message { |message|
      busy += 1
      sleep 0.001
      got << [message, busy, Thread.current.name[/\Ahijack messages/]]
      busy -= 1
    }
    ws.on_close { |code, reason| got << [code, reason] }
    100.times { |number| client.text(number.to_s) }
    client.close(4004, 'end')
    100.times { |number| assert_equal [number.to_s, 1, 'hijack messages'], within { got.pop } }
    assert_equal [4004, 'end'], within { got.pop }
    assert_raises(Hijack::StateError) { ws.read }
  end

  # Also where the message is there already, and where it is put together.
  def test_on_message_gets_what_has_come_and_pieces
    ws, client = websocket(websocket_piece_bytes: 100)
    client.text('x' * 1000)
    refute ws.closed?
    eventually('came') { !ws.instance_variable_get(:@pieces).empty? }
    got = Thread::Queue.new
    ws.on_message { |message| got << message.bytesize }
    client.text('y' * 5000)
    assert_equal [1000, 5000], within { [got.pop, got.pop] }
  end

  def test_on_message_of_many_at_a_time
    port = serve(workers: 2) { |request| ws = request.websocket and ws.on_message { |message| ws << message } }
    clients = Array.new(20) { open_socket(port) }
    5.times do |turn|
      clients.each_with_index { |client, index| client.text("#{turn} #{index}") }
      clients.each_with_index { |client, index| assert_equal "#{turn} #{index}", receive(client) }
    end
    assert_operator Thread.list.count { |thread| thread.name.to_s.start_with?('hijack messages') }, :<=, 2
  end

  def test_on_message_that_fails
    errors = Thread::Queue.new
    ws, client = websocket
    @server.on_error { |error, object| errors << [error.message, object] }
    ws.on_message { |message| raise message }
    client.text('bad')
    client.text('never seen')
    assert_equal ['bad', ws], within { errors.pop }
    assert_equal [:close, 1011, ''], receive(client)
    client.close(1011)
    assert within { ws.wait_closed }
    assert_equal 0, errors.size
  end

  def test_on_message_of_one_that_has_ended
    ws, client = websocket
    client.text('before')
    refute ws.closed?
    eventually('came') { !ws.instance_variable_get(:@pieces).empty? }
    @server.stop
    got = Thread::Queue.new
    ws.on_close { |code, _| got << code }
    assert_kind_of Integer, within { got.pop }
    ws.on_message { |message| got << message }
    assert_equal 'before', within { got.pop }
  end

  def test_events_for_those_who_know_faye
    got = Thread::Queue.new
    ws, client = websocket
    ws.on(:open) { |event| got << [event.type, event.target] }
    assert_equal [:open, ws], got.pop(true)
    ws.on('message') { |event| got << event.data && ws.send(event.data) }
    ws.on(:error) { |event| got << event.message }
    ws.on(:close) { |event| got << [event.code, event.reason] }
    client.text('hello')
    assert_equal %w[hello hello], [within { got.pop }, receive(client)]
    reset(client)
    assert_equal ["closed: #{Hijack::C.strerror(Hijack::C::ERESET)}", [1006, '']], within { [got.pop, got.pop] }
    assert_raises(Hijack::InvalidError) { ws.on(:hover) { nil } }
    [-> { ws.on(:message) }, -> { ws.on_message }, -> { ws.on_close }].each do |call|
      assert_raises(Hijack::InvalidError, &call)
    end
  end

  def test_in_a_forked_child
    ws, client = websocket
    reader, writer = IO.pipe
    pid = fork do
      errors = [-> { ws.close }, -> { ws.abort }, -> { ws << 'x' }, -> { ws.read }, -> { ws.release }].map do |call|
        call.call.class
      rescue Hijack::ForkError => e
        e.class
      end
      writer.write errors.uniq.inspect
      writer.close
      exit!
    end
    writer.close
    assert_equal '[Hijack::ForkError]', within { reader.read }
    Process.wait(pid)
    ws << 'open still'
    assert_equal 'open still', receive(client)
  end
end
