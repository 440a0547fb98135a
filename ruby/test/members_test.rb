# frozen_string_literal: true

require 'digest'
require_relative 'websocket_client'

# What a broadcaster knows of its members: where they go on, who they are, and that they come and go.
class MembersTest < WebSocketTestCase
  # The port of a server with a room that is held at /sse, /raw and /ws; the rest goes to the handler.
  def serve_room(threads: 1, **options, &handler)
    @server = new_server(threads: threads, heartbeat_ms: 0)
    @room = @server.broadcaster(**options)
    @server.hold('/sse', @room).hold('/raw', @room, as: :raw).hold('/ws', @room, as: :websocket)
    @server.route_set('/*', user_data: 'header:x-user', position: 'query:from')
    port = @server.listen('127.0.0.1:0')
    @server.start(&handler)
    port
  end

  def history(**options)
    { history_position: 'e-0', history_messages: 10 }.merge(options)
  end

  # The body of an SSE client up to that text, without its head.
  def events(client, text)
    unchunk("#{read_until(client, "#{text}\r\n").split("\r\n\r\n", 2).last}0\r\n\r\n")
  end

  def joined(count)
    eventually("#{count} members") { @room.count == count }
  end

  # A member that is in the room when this returns.
  def come(port, path, user = nil)
    before = @room.count
    client = path == '/ws' ? open_socket(port, path, { 'X-User' => user }) : ask(port, path, { 'X-User' => user })
    joined(before + 1)
    client
  end

  def reset_client(client)
    client.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii'))
    client.close
  end

  def test_a_position
    server = new_server
    plain = server.broadcaster
    error = assert_raises(Hijack::StateError) { plain.position }
    assert_equal 'position: the broadcaster keeps no history; set its option history_messages before', error.message
    room = server.broadcaster(history_messages: 3, history_position: 'e-7') # in any order
    assert_equal ['e-7', Encoding::UTF_8], [room.position, room.position.encoding]
    server.start
    room << 'next'
    assert_equal 'e-8', room.position
    assert_match(/\A\h{16}-0\z/, server.broadcaster(history_messages: 1).position)
    room.free
    assert_raises(Hijack::ClosedError) { room.position }
  end

  def test_resuming_and_a_gap
    port = serve_room(**history(history_messages: 2))
    (1..5).each { |number| @room << number }
    client = ask(port, '/sse', { 'Last-Event-ID' => 'e-4' })
    assert_equal "id: e-5\ndata: 5\n\n", events(client, "5\n\n")
    client = ask(port, '/sse', { 'Last-Event-ID' => 'e-1' })
    assert_equal "event: hijack-gap\nid: e-3\ndata: e-4\n\nid: e-4\ndata: 4\n\nid: e-5\ndata: 5\n\n",
                 events(client, "data: 5\n\n")
    assert_equal [2, 1], @server.stats.values_at(:resumed, :gaps)
  end

  def test_a_snapshot_then_live
    port = serve_room(**history) do |request|
      position = @room.position
      @room << 'meanwhile'
      request.hold(@room, first: Hijack.event("all\nof it", event: 'snapshot'), position: position)
    end
    @room << 'in the snapshot'
    client = ask(port, '/')
    joined(1)
    @room << 'later'
    assert_equal "event: snapshot\ndata: all\ndata: of it\n\nid: e-2\ndata: meanwhile\n\nid: e-3\ndata: later\n\n",
                 events(client, "later\n\n")
  end

  def test_first_of_each_kind
    port = serve_room do |request|
      request.hold(@room, as: request.path.delete_prefix('/to-').to_sym, first: "f\u00fcr dich")
    end
    assert_operator read_until(ask(port, '/to-stream'), "dich\r\n"), :end_with?, "\r\n\r\n9\r\nf\u00fcr dich\r\n".b
    assert_equal "f\u00fcr dich".b, read_until(ask(port, '/to-raw'), 'dich')
    ws = open_socket(port, '/to-websocket')
    assert_equal "f\u00fcr dich", receive(ws)
    joined(3)
    @room << 'more'
    assert_equal 'more', receive(ws)
  end

  def test_adopting_with_user_first_and_position
    serve_room(**history)
    @room << 'one' << 'two'
    ours, theirs = pair
    assert_same @room, @room.adopt(ours, as: :sse_body, user: 'alice', first: ": first\n\n", position: 'e-1')
    joined(1)
    @room.publish_to('alice', 'alone')
    assert_equal ": first\n\nid: e-2\ndata: two\n\ndata: alone\n\n", read_until(theirs, "alone\n\n")
    ours, theirs = tcp_pair
    env = { 'REQUEST_METHOD' => 'GET', 'PATH_INFO' => '/', 'SERVER_NAME' => 'test' }
    @server.adopt_request(env, ours).hold(@room, user: 7, first: Hijack.event('hello'), position: '*')
    assert_equal "data: hello\n\nid: e-1\ndata: one\n\nid: e-2\ndata: two\n\n", events(theirs, "data: two\n\n")
    @room.publish_to(7, 'for seven')
    read_until(theirs, "data: for seven\n\n")
  end

  def test_adding_with_user_and_position
    made = Thread::Queue.new
    port = serve_room(**history) { |request| made << request.hijack }
    @room << 'one' << 'two'
    client = ask(port, '/')
    socket = within { made.pop }
    error = assert_raises(Hijack::StateError) { @server.broadcaster.add(socket, position: '*') }
    assert_equal 'add: position: the broadcaster keeps no history (got "*"); set its option history_messages before',
                 error.message
    @room.add(socket, user: 9, position: 'e-1')
    socket << ';own;'
    @room.publish_to(9, 'alone')
    assert_equal 'two;own;alone', read_until(client, 'alone')
  end

  def test_the_number_of_a_user
    assert_equal 42, Hijack.user('42')
    assert_equal Digest::SHA256.digest('alice').unpack1('Q>'), Hijack.user('alice')
    assert_equal Hijack.user("gr\u00fcn"), Hijack.user("gr\u00fcn".encode(Encoding::UTF_16LE))
    assert_equal (1 << 64) - 1, Hijack.user(((1 << 64) - 1).to_s)
    error = assert_raises(Hijack::InvalidError) { Hijack.user('') }
    assert_equal 'user: expected a String that is not empty (got "")', error.message
    assert_raises(Hijack::InvalidError) { Hijack.user(nil) }
  end

  def test_an_event
    event = Hijack.event("a\n\u00e9", event: 'e', id: 3, retry: 5)
    assert_equal ["event: e\nid: 3\nretry: 5\ndata: a\ndata: \u00e9\n\n", true], [event, event.valid_encoding?]
    assert_equal "id:\n\n", Hijack.event(id: '')
    error = assert_raises(Hijack::InvalidError) { Hijack.event('x', id: "a\nb") }
    assert_match(/\Aevent: event: and id: must not contain a line break/, error.message)
  end

  def test_one_user_among_many
    port = serve_room
    alice, bob = %w[alice bob].map { |name| come(port, '/raw', name) }
    ws = come(port, '/ws', 'alice')
    assert_same @room, @room.publish_to('alice', 'for alice;')
    @room.publish_to(Hijack.user('alice'), "\xff".b).publish_to('nobody', 'x')
    @room << 'for all'
    assert_equal "for alice;\xfffor all".b, read_until(alice, 'for all')
    assert_equal 'for all', read_until(bob, 'for all')
    assert_equal ['for alice;', "\xff".b, 'for all'], Array.new(3) { receive(ws) }
    assert_same @room, @room.remove_user('bob')
    assert_equal '', within { bob.read }
    assert_same @room, @room.close_user('alice')
    assert_equal ['', [:close, 1000, '']], [within { alice.read }, receive(ws)]
    joined(0)
  end

  def test_a_user_joins_another_room
    port = serve_room
    client = come(port, '/raw', '5')
    other = come(port, '/raw', '6')
    side = @server.broadcaster
    assert_same side, side.join_user(5, from: @room)
    eventually('it has joined') { side.count == 1 }
    @room.remove_user(5)
    @room << 'not for five'
    side << 'aside;'
    side.publish_to(5, 'end')
    assert_equal 'aside;end', read_until(client, 'end')
    read_until(other, 'not for five')
    foreign = new_server.tap(&:start).broadcaster
    error = assert_raises(Hijack::InvalidError) { side.join_user(5, from: foreign) }
    assert_equal 'join_user: both broadcasters have to be of one server', error.message
    assert_raises(Hijack::InvalidError) { side.join_user(5, from: @server) }
    foreign.free
    assert_raises(Hijack::ClosedError) { side.join_user(5, from: foreign) }
  end

  def test_calls_before_the_start
    room = new_server.broadcaster
    calls = { publish_to: [1, 'x'], remove_user: [1], close_user: [1] }
    calls.each do |name, arguments|
      error = assert_raises(Hijack::StateError) { room.public_send(name, *arguments) }
      assert_equal "#{name}: the server has not been started", error.message
    end
    assert_raises(Hijack::StateError) { room.join_user(1, from: room) }
  end

  def test_wrong_arguments
    messages = Thread::Queue.new
    port = serve_room do |request|
      wrong = [{ user: -1 }, { user: 1 << 64 }, { user: :me }, { user: '' }, { user: 1.5 }, { first: 1 },
               { position: 5 }, { position: 'e-1' }, { as: :websocket, first: "\xff" }]
      wrong.each { |options| messages << assert_raises(Hijack::Error) { request.hold(@room, **options) }.message }
      request.respond 200, 'open still'
    end
    assert_equal 'open still', get(port).body
    texts = Array.new(9) { messages.pop }
    user = 'hold: user: expected a whole number from 0 to 18446744073709551615, or a String that is not empty (got '
    assert_equal ['-1', '18446744073709551616', ':me', '""', '1.5'].map { |got| "#{user}#{got})" }, texts.shift(5)
    assert_equal 'hold: first: expected a String (got 1)', texts[0]
    assert_equal 'hold: position: expected a String, as Broadcaster#position returns it, or nil (got 5)', texts[1]
    assert_match(/\Ahold: position: the broadcaster keeps no history \(got "e-1"\)/, texts[2])
    assert_match(/\Ahold: first: a WebSocket gets it as a text message, .* UTF-8 \(got "\\xFF"\)/, texts[3])
    [-> { @room.publish_to(0, 'x') }, -> { @room.remove_user(nil) }, -> { @room.close_user('0') }].each do |call|
      assert_match(/: user: expected a whole number from 1 to /, assert_raises(Hijack::InvalidError, &call).message)
    end
    assert_match(/valid UTF-8/, assert_raises(Hijack::InvalidError) { @room.publish_to(1, "\xff") }.message)
  end

  def test_a_message_comes_with_its_user
    port = serve_room
    ws = come(port, '/ws', '12')
    nobody = come(port, '/ws')
    got = Thread::Queue.new
    @room.on_message { |message, user| got << [message, user] }
    ws.text('who')
    assert_equal ['who', 12], within { got.pop }
    nobody.text('me')
    assert_equal ['me', 0], within { got.pop }
    [got.method(:<<), got.method(:push), ->(message) { got << message }].each do |one| # takes the message alone
      @room.on_message(&one)
      ws.text('one')
      assert_equal 'one', within { got.pop }
    end
    @room.on_message(&->(message, user = 5) { got << [message, user] })
    ws.text('two')
    assert_equal ['two', 12], within { got.pop }
  end

  def test_members_without_a_block_for_what_they_send
    port = serve_room(member_messages: :deliver)
    failures = []
    @server.on_error { |error, _| failures << error }
    @room.members
    ws = come(port, '/ws', '3')
    ws.text('thrown away')
    eventually('counted') { @room.members == { 3 => 1 } }
    ws.close
    eventually('left') { @room.members.empty? }
    assert_empty failures
  end

  def test_why_members_leave
    port = serve_room
    left = Thread::Queue.new
    @room.on_leave { |user, reason| left << [user, reason] }
    reset_client(come(port, '/raw', '1'))
    user, reason = within { left.pop }
    assert_equal [1, Hijack::ResetError], [user, reason.class]
    assert_match(/\Aleft: /, reason.message)
    come(port, '/raw', '2').close_write
    assert_equal [2, nil], within { left.pop }
    come(port, '/sse', 'alice')
    @room.close_user('alice')
    assert_equal [Hijack.user('alice'), nil], within { left.pop }
    client = come(port, '/ws', '4')
    client.io.write("\x81\x01x") # not masked
    assert_equal [4, Hijack::ProtocolError], within { left.pop }.then { |one, why| [one, why.class] }
    come(port, '/raw')
    @server.drain(0)
    assert_equal [0, Hijack::ShutdownError], within { left.pop }.then { |one, why| [one, why.class] }
  end

  # Those that are there before it is asked for, and each after it, also those with an object.
  def test_joins
    made = Thread::Queue.new
    port = serve_room { |request| made << request.hijack }
    come(port, '/raw', '1')
    come(port, '/sse', '1')
    came = Thread::Queue.new
    assert_same @room, @room.on_join { |user| came << [user, @room.members[user]] }
    assert_equal [[1, 1], [1, 2]], Array.new(2) { within { came.pop } }
    ask(port, '/')
    socket = within { made.pop }
    @room.add(socket, user: 5)
    assert_equal [5, 1], within { came.pop }
    assert_equal({ 1 => 2, 5 => 1 }, @room.members)
    left = Thread::Queue.new
    assert_same @room, @room.on_leave(&left.method(:<<)) # takes the user alone
    @room.remove(socket)
    assert_equal 5, within { left.pop }
    assert_equal({ 1 => 2 }, @room.members)
  end

  def test_members_are_exact_after_many_have_come_and_gone
    port = serve_room(threads: 2)
    joins = leaves = 0
    @room.on_join { joins += 1 }.on_leave { leaves += 1 }
    clients = Array.new(300) do |index|
      [index % 7, ask(port, index.even? ? '/raw' : '/sse', { 'X-User' => index % 7 })]
    end
    joined(300)
    gone, rest = clients.each_with_index.partition { |_, index| index % 3 != 0 }.map { |them| them.map(&:first) }
    gone.each_with_index { |(_, client), index| index.odd? ? reset_client(client) : client.close }
    joined(rest.size)
    eventually('leaves are told') { leaves == gone.size }
    assert_equal rest.map(&:first).tally, @room.members
    @room.close_user(1).close_user(2)
    expected = rest.map(&:first).reject { |user| [1, 2].include?(user) }
    eventually('the users have left') { @room.members == expected.tally }
    assert_equal expected.size, @room.count
    @room.close
    eventually('all have left') { @room.members.empty? }
    assert_equal [300, 300], [joins, leaves]
  end

  # A program may have set the option itself, before anything asks.
  def test_members_with_the_option_set
    port = serve_room(member_events: :on)
    come(port, '/raw', '1')
    come(port, '/raw', '2')
    eventually('both are counted') { @room.members == { 1 => 1, 2 => 1 } }
  end

  def test_a_block_that_fails_or_ends_its_thread
    port = serve_room
    failures = Thread::Queue.new
    @server.on_error { |error, room| failures << [error.message, room] }
    clients = Array.new(4) { |index| come(port, '/raw', index.to_s) }
    seen = Thread::Queue.new
    @room.on_join do |user| # they come in one event
      seen << user
      raise 'bad' if user == 1

      Thread.exit if user == 2
    end
    assert_equal [0, 1, 2, 3], Array.new(4) { within { seen.pop } }.sort
    assert_equal ['bad', @room], within { failures.pop }
    assert_equal({ 0 => 1, 1 => 1, 2 => 1, 3 => 1 }, @room.members)
    clients.first.close
    eventually('the server goes on') { @room.members.keys.sort == [1, 2, 3] }
  end

  def test_who_does_not_ask_gets_no_event
    port = serve_room
    come(port, '/raw', '1')
    assert_equal 0, @server.instance_variable_get(:@queue).size
    @room.members
    assert_equal 1, @server.instance_variable_get(:@queue).size
    @room.free
    assert_equal 0, @server.instance_variable_get(:@queue).size
    [-> { @room.members }, -> { @room.on_join {} }, -> { @room.on_leave {} }].each do |call|
      assert_raises(Hijack::ClosedError, &call)
    end
    assert_raises(Hijack::InvalidError) { @room.on_join }
    assert_raises(Hijack::InvalidError) { @room.on_leave }
  end
end
