# frozen_string_literal: true

require_relative 'websocket_client'

# WebSockets as members of broadcasters, beside members of other kinds.
class WebSocketRoomTest < WebSocketTestCase
  # The port of a server with held routes /ws and /sse; the rest goes to the handler.
  def serve_room(**options, &handler)
    @server = new_server
    @room = @server.broadcaster(**options)
    @server.hold('/ws', @room, as: :websocket, headers: { 'X-Room' => 'yes' }).hold('/sse', @room)
    port = @server.listen('127.0.0.1:0')
    @server.start(&handler)
    port
  end

  def members(count)
    eventually("#{count} members") { @room.count == count }
  end

  def test_one_message_in_the_form_of_each_member
    port = serve_room
    ws = open_socket(port, '/ws')
    assert_match(/\r\nX-Room: yes\r\n/, ws.head)
    sse = ask(port, '/sse')
    members(2)
    assert_equal 2, @room.publish("gr\u00fcn")
    assert_equal "gr\u00fcn", receive(ws)
    read_until(sse, "data: gr\u00fcn\n\n".b)
    @room << "\xff\x00".b
    assert_equal "\xff\x00".b, receive(ws)
    @room.publish 'named', event: 'news', id: 7
    assert_equal 'named', receive(ws)
    assert_raises(Hijack::InvalidError) { @room << "\xff" }
  end

  def test_a_held_member_answers_pings_and_closes
    port = serve_room
    ws = open_socket(port, '/ws')
    members(1)
    ws.text('goes nowhere')
    ws.send_frame(9, 'ping')
    assert_equal [:pong, 'ping'], receive(ws)
    ws.close(4001)
    assert_equal [:close, 4001, ''], receive(ws)
    members(0)
    other = open_socket(port, '/ws')
    members(1)
    @room << 'bye'
    @room.close
    assert_equal ['bye', [:close, 1000, '']], [receive(other), receive(other)]
  end

  def test_what_held_members_send
    port = serve_room
    failures = Thread::Queue.new
    @server.on_error { |error, room| failures << [error.message, room] }
    first, second = Array.new(2) { open_socket(port, '/ws') }
    members(2)
    first.text('thrown away')
    first.send_frame(9, 'in order')
    assert_equal [:pong, 'in order'], receive(first)
    @room.on_message { |message| @room << message }
    first.text("gr\u00fcn")
    assert_equal ["gr\u00fcn"] * 2, [receive(first), receive(second)]
    second.send_frame(2, "\xff\x00".b)
    assert_equal ["\xff\x00".b] * 2, [receive(first), receive(second)]
    @room.on_message { |message| raise message }
    first.text('')
    first.text('fails')
    assert_equal [['', @room], ['fails', @room]], Array.new(2) { within { failures.pop } }
    @room.free
    first.text('nobody is there')
    first.send_frame(9, 'and it lives')
    assert_equal [:pong, 'and it lives'], receive(first)
    assert_raises(Hijack::InvalidError) { @room.on_message }
    assert_raises(Hijack::ClosedError) { @room.on_message(&:itself) }
  end

  # The poller calls it; what waits behind it in the same batch is for the one that follows.
  def test_a_block_that_ends_its_thread
    port = serve_room
    clients = Array.new(8) { open_socket(port, '/ws') }
    members(8)
    got = Thread::Queue.new
    gate = Thread::Queue.new
    @room.on_message do |message|
      gate.pop if message == 'wait'
      got << message
      Thread.exit unless message == 'wait'
    end
    clients.first.text('wait')
    clients.each_with_index { |client, index| client.text("end #{index}") }
    gate << :go
    assert_equal ['wait', *Array.new(8) { |index| "end #{index}" }].sort, Array.new(9) { within { got.pop } }.sort
    assert @server.running?
    @room << 'still there'
    assert_equal 'still there', receive(clients.first)
    clients.last.text('once more')
    assert_equal 'once more', within { got.pop }
  end

  # From the thread that has replaced another one.
  def test_stop_from_a_block_behind_one_that_has_ended_its_thread
    port = serve_room
    client = open_socket(port, '/ws')
    members(1)
    @room.on_message do |message|
      @server.stop if message == 'stop'
      Thread.exit
    end
    client.text('exit')
    client.text('stop')
    within { @server.wait }
  end

  def test_exit_in_a_block_ends_the_process
    program = <<~RUBY
      require 'hijack_ffi'
      require 'socket'
      server = Hijack::Server.new(threads: 1)
      room = server.broadcaster
      server.hold '/', room, as: :websocket
      room.on_message { |_| exit 7 }
      port = server.listen('127.0.0.1:0')
      server.start
      client = TCPSocket.new('127.0.0.1', port)
      client.write "GET / HTTP/1.1\\r\\n", ARGV.first, "\\x81\\x80\\0\\0\\0\\0" # an empty text
      sleep
    RUBY
    headers = WebSocketClient::HEADERS.map { |name, value| "#{name}: #{value}\r\n" }.join
    _, _, status = ruby("ARGV << #{"#{headers}\r\n".dump}\n#{program}")
    assert_equal 7, status.exitstatus
  end

  def test_a_held_route_refuses_a_wrong_handshake
    port = serve_room
    assert_equal [426, 403], [open_socket(port, '/ws', { 'Upgrade' => nil }),
                              open_socket(port, '/ws', { 'Origin' => 'http://evil.example' })].map(&:status)
    assert_equal 0, @room.count
  end

  def test_request_hold
    errors = []
    seen = Thread::Queue.new
    port = serve_room do |request|
      request.hold(@room, as: :websocket, headers: { 'X-Path' => request.path })
    ensure
      seen << [$!.class, request.answered?]
    end
    @server.on_error { |error, _| errors << error }
    ws = open_socket(port, '/kitchen')
    assert_match(%r{\r\nX-Path: /kitchen\r\n}, ws.head)
    assert_equal [NilClass, true], within { seen.pop }
    members(1)
    @room << 'soup'
    assert_equal 'soup', receive(ws)
    assert_equal 400, open_socket(port, '/', { 'Sec-WebSocket-Key' => 'short' }).status
    assert_equal [Hijack::ProtocolError, true], within { seen.pop }
    assert_empty errors
  end

  def test_a_member_with_an_object
    made = Thread::Queue.new
    port = serve_room { |request| made << request.websocket }
    client = open_socket(port, '/talk')
    ws = within { made.pop }
    assert_same @room, @room << ws
    assert_raises(Hijack::StateError) { @room.add(ws) }
    sse = ask(port, '/sse')
    members(2)
    @room << 'to all'
    assert_equal 'to all', receive(client)
    read_until(sse, "data: to all\n\n")
    ws << 'to one'
    assert_equal 'to one', receive(client)
    client.text('from one')
    @room << within { ws.read }
    assert_equal 'from one', receive(client)
    read_until(sse, "data: from one\n\n")
    assert_same @room, @room.remove(ws)
    assert_equal 1, @room.publish('not to it')
    ws << 'still open'
    assert_equal 'still open', receive(client)
  end

  def test_a_member_that_leaves
    made = Thread::Queue.new
    port = serve_room { |request| made << request.websocket }
    client = open_socket(port, '/')
    ws = within { made.pop }
    @room << ws
    members(1)
    client.close
    assert_nil within { ws.read }
    members(0)
    assert_raises(Hijack::ClosedError) { @room.add(ws) }
  end

  def test_a_released_member_lives_on
    made = Thread::Queue.new
    port = serve_room { |request| made << request.websocket }
    client = open_socket(port, '/')
    ws = within { made.pop }
    @room.add(ws)
    client.text('not read')
    assert_nil ws.release
    assert ws.closed?
    client.send_frame(9, 'alive')
    assert_equal [:pong, 'alive'], receive(client)
    @room << 'on'
    assert_equal 'on', receive(client)
    assert_equal 0, @server.instance_variable_get(:@queue).size
  end

  def test_close_of_the_room_ends_a_member_with_an_object
    made = Thread::Queue.new
    port = serve_room { |request| made << request.websocket }
    client = open_socket(port, '/')
    ws = within { made.pop }
    @room.add(ws)
    @room << 'bye'
    @room.close
    assert_equal ['bye', [:close, 1000, '']], [receive(client), receive(client)]
    client.close
    assert_nil within { ws.read }
    assert_equal [1000, nil], [ws.close_code, ws.close_error]
  end

  # The gem does not hand them on; nothing else may suffer from that.
  def test_messages_of_held_members_are_skipped
    port = serve_room(member_messages: :deliver) { |request| request.respond 200, 'served' }
    ws = open_socket(port, '/ws')
    members(1)
    100.times { ws.text('hello') }
    ws.send_frame(9, 'still there')
    assert_equal [:pong, 'still there'], receive(ws)
    assert_equal 'served', get(port).body
  end

  def test_adopting_where_the_handshake_is_done
    server = new_server
    server.start
    room = server.broadcaster
    ours, theirs = tcp_pair
    room.adopt(ours, as: :websocket_open)
    theirs.write(WebSocketClient.frame(9, 'ping'))
    assert_equal "\x8a\x04ping".b, within { theirs.readpartial(100) }
    room << 'hello'
    assert_equal "\x81\x05hello".b, within { theirs.readpartial(100) }
    room.close
    assert_equal "\x88\x02\x03\xe8".b, within { theirs.readpartial(100) }
    ours, = tcp_pair
    assert_kind_of Hijack::Error, assert_raises(StandardError) { room.adopt(ours, as: :websocket) }
    refute ours.closed?
  end
end
