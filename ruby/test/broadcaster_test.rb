# frozen_string_literal: true

require_relative 'support'

class BroadcasterTest < HijackTest
  # A started server with this route held; clients are the broadcaster.
  def held(as: :sse, headers: nil, **options)
    server = new_server
    @clients_of = server.broadcaster(**options)
    server.hold '/', @clients_of, as: as, headers: headers
    port = server.listen('127.0.0.1:0')
    server.start
    @server = server
    port
  end

  def members(count)
    eventually("#{count} members") { @clients_of.count == count }
  end

  def test_publishes_to_held_routes_of_each_kind
    server = new_server
    all = server.broadcaster
    server.hold('/sse', all).hold('/stream', all, as: :stream, headers: { 'x' => 'y' }).hold('/raw', all, as: :raw)
    port = server.listen('127.0.0.1:0')
    server.start
    sse, stream, raw = %w[/sse /stream /raw].map { |path| ask(port, path) }
    eventually('members') { all.size == 3 }
    assert_equal 3, all.publish("a\nb", event: 'e', id: 7)
    assert_match(/event: e\nid: 7\ndata: a\ndata: b\n\n/, read_until(sse, "b\n\n"))
    assert_match(/\r\nx: y\r\n.*3\r\na\nb\r\n/m, read_until(stream, "a\nb\r\n"))
    assert_equal "a\nb", read_until(raw, "a\nb")
    assert_same all, all << 'again'
    assert_equal 'again', read_until(raw, 'again')
  end

  def test_bytes_are_a_binary_message_and_anything_else_is_a_text
    kinds = ["\xff".b, 'x', 'x'.encode(Encoding::UTF_16LE), 42, nil].map { |data| Hijack::Text.kind(data) }
    assert_equal [Hijack::C::MESSAGE_BINARY] + [Hijack::C::MESSAGE_TEXT] * 4, kinds
  end

  def test_publishes_text_as_utf8
    port = held
    client = ask(port)
    members(1)
    @clients_of.publish "\u00e9".encode(Encoding::UTF_16LE)
    assert_includes read_until(client, "\n\n"), "data: \u00e9\n\n".b
    @clients_of.publish 42, id: :x
    assert_includes read_until(client, "\n\n"), "id: x\ndata: 42\n\n"
    @clients_of.publish 'reset', id: ''
    assert_includes read_until(client, "\n\n"), "id:\ndata: reset\n\n"
    @clients_of.publish 'later', retry: 5
    assert_includes read_until(client, "\n\n"), "retry: 5\ndata: later\n\n"
  end

  def test_request_hold
    everybody = nil
    port = serve { |request| request.hold(everybody, as: :stream, headers: { 'x-room' => request.path }) }
    everybody = @server.broadcaster
    client = ask(port, '/kitchen')
    assert_match(%r{\r\nx-room: /kitchen\r\n}, read_until(client, "\r\n\r\n"))
    eventually('member') { everybody.count == 1 }
    everybody << 'soup'
    read_until(client, 'soup')
  end

  def test_request_hold_by_one_that_was_freed
    messages = []
    port = serve do |request|
      gone = @server.broadcaster.tap(&:free)
      messages << assert_raises(Hijack::ClosedError) { request.hold(gone) }.message
      request.respond 200, 'open still'
    end
    assert_equal 'open still', get(port).body
    assert_match(/\Ahold: /, messages.first)
  end

  def test_add_remove_and_release
    streams = Thread::Queue.new
    port = serve { |request| streams << request.sse }
    everybody = @server.broadcaster
    client = ask(port)
    stream = within { streams.pop }
    assert_same everybody, everybody.add(stream)
    assert_raises(Hijack::StateError) { everybody.add(stream) }
    everybody << 'one'
    read_until(client, "data: one\n\n")
    assert_same everybody, everybody.remove(stream)
    assert_raises(Hijack::StateError) { everybody.remove(stream) }
    assert_equal 0, everybody << 'nobody' && everybody.count
    stream.send_event 'two'
    read_until(client, "data: two\n\n")
    everybody.add(stream)
    assert_nil stream.release
    assert stream.closed?
    everybody << 'three'
    read_until(client, "data: three\n\n")
    assert_equal 1, everybody.count
  end

  def test_add_refuses_strangers
    sockets = Thread::Queue.new
    port = serve { |request| sockets << request.stream(200, 'content-length' => 9) }
    ask(port)
    counted = within { sockets.pop }
    assert_raises(Hijack::InvalidError) { @server.broadcaster.add(counted) }
    other = new_server
    other.start
    assert_raises(Hijack::InvalidError) { other.broadcaster.add(@server.adopt(pair.first)) }
  end

  def test_close_ends_members_in_order
    port = held
    client = ask(port)
    members(1)
    @clients_of << 'bye'
    assert_nil @clients_of.close
    assert_match(/data: bye\n\n.*\r\n0\r\n\r\n\z/m, read_until(client, "0\r\n\r\n"))
    members(0)
    assert_equal 0, @clients_of.publish('to nobody')
  end

  def test_free_leaves_members
    port = held
    client = ask(port)
    members(1)
    other = @server.broadcaster
    assert_nil other.free
    assert_nil other.free
    calls = [-> { other << 'x' }, -> { other.count }, -> { other.stats }, -> { other.close },
             -> { other.adopt(pair.first) }]
    calls.each { |call| assert_raises(Hijack::ClosedError, &call) }
    assert_match(/freed/, other.inspect)
    assert_match(/Broadcaster 0x/, @clients_of.inspect)
    @clients_of.free
    assert_nil client.wait_readable(0.05)&.then { client.readpartial(999)[/data/] }
    assert_equal 1, @server.stats[:held]
  end

  def test_after_stop
    held
    @server.stop
    error = assert_raises(Hijack::ShutdownError) { @clients_of << 'x' }
    assert_kind_of IOError, error
    assert_raises(Hijack::ShutdownError) { @server.broadcaster }
    assert_nil @clients_of.free
  end

  def test_options
    server = new_server
    it = server.broadcaster(overflow: :latest, backlog_bytes: '128k')
    assert_same it, it.set(overflow: 'close')
    it[:backlog_bytes] = 10
    assert_raises(Hijack::OutOfRangeError) { it[:overflow] = :sometimes }
    assert_raises(Hijack::OptionError) { it.set(threads: 1) }
    error = assert_raises(Hijack::OptionError) { server.broadcaster(colour: 'red') }
    assert_match(/\Aoption colour: a broadcaster has no option of this name/, error.message)
  end

  def test_stats
    port = held
    ask(port)
    members(1)
    @clients_of << 'x'
    eventually('delivered') { @clients_of.stats[:delivered] == 1 }
    assert_equal({ members: 1, published: 1, delivered: 1, dropped: 0, closed: 0 }, @clients_of.stats)
  end

  def test_a_slow_member_is_closed_and_says_so
    sockets = Thread::Queue.new
    port = serve { |request| sockets << request.hijack }
    ask(port)
    socket = within { sockets.pop }
    slow = @server.broadcaster(overflow: :close, backlog_bytes: 1000)
    slow.add(socket)
    within { slow << 'x' * 1_000_000 until socket.closed? }
    assert_raises(Hijack::SlowError) { socket << 'x' }
    assert_equal 1, slow.stats[:closed]
  end

  def test_latest_keeps_the_newest_of_a_key
    ours, theirs = pair
    server = new_server
    server.start
    prices = server.broadcaster(overflow: :latest, backlog_bytes: 100_000)
    prices.adopt(ours, as: :raw)
    200.times { |n| prices.publish(format('%-20000d', n), key: 'ACME') }
    eventually('drops') { prices.stats[:dropped].positive? }
    prices.close
    assert_match(/199 +\z/, within { theirs.read })
  end

  def test_publish_errors
    idle = new_server
    assert_raises(Hijack::StateError) { idle.broadcaster << 'not started' }
    held
    error = assert_raises(Hijack::TooBigError) { @clients_of << 'x' * (16 * 1024 * 1024 + 1) }
    assert_match(/\Apublish: /, error.message)
    assert_raises(Hijack::InvalidError) { @clients_of.publish 'x', event: "a\nb" }
    assert_raises(Hijack::InvalidError) { idle.hold('/', idle.broadcaster, as: :pigeon) }
  end
end
