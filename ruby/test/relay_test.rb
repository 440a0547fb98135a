# frozen_string_literal: true

require_relative 'websocket_client'

# Two connections that get each other's bytes.
class RelayTest < WebSocketTestCase
  Ends = Struct.new(:client, :near, :far, :origin)

  def setup
    super
    @listener = TCPServer.new('127.0.0.1', 0)
    @server = new_server(threads: 2).start
  end

  def teardown
    @listener.close
    super
  end

  # An adopted connection and an outgoing one, with both other ends.
  def open_pair
    ours, client = tcp_pair
    far, origin = outgoing
    Ends.new(client, @server.adopt(ours), far, origin)
  end

  def outgoing(server = @server)
    far = within { server.connect("127.0.0.1:#{@listener.addr[1]}") }
    origin = within { @listener.accept }
    @clients << origin
    [far, origin]
  end

  def relayed
    open_pair.tap { |it| within { it.near.relay(it.far) } }
  end

  def assert_passes(text, from, to)
    from.write(text)
    assert_equal text, within { to.readpartial(100) }
  end

  def assert_reset(io)
    assert_raises(Errno::ECONNRESET) { within { io.read(1) } || flunk('it ended without a reset') }
  end

  def assert_none_left
    eventually('no pair') { @server.stats[:relayed].zero? && @server.stats[:connections].zero? }
  end

  def test_both_ways_and_a_half_close
    it = relayed
    assert_passes('ping', it.client, it.origin)
    assert_passes('pong', it.origin, it.client)
    assert_equal [2, 8], @server.stats.values_at(:relayed, :relayed_bytes)
    it.client.close_write
    assert_equal '', within { it.origin.read }
    assert_passes('still', it.origin, it.client)
    refute it.near.closed?
    it.origin.close
    assert_equal '', within { it.client.read }
    [it.near, it.far].each do |side|
      assert within { side.wait_closed }
      assert_nil side.close_reason
    end
    assert_none_left
  end

  def test_what_was_sent_and_what_was_not_read
    it = open_pair
    it.near << "welcome\n"
    it.client.write "CONNECT there\nfirst "
    assert_equal "CONNECT there\n", within { it.near.gets }
    it.origin.write 'banner '
    assert_equal 'b', within { it.far.readpartial(1) }
    within { it.near.relay(it.far) }
    it.client.write 'second'
    it.origin.write 'end'
    assert_equal 'first second', within { it.origin.read(12) }
    assert_equal "welcome\nanner end", within { it.client.read(17) }
  end

  # The client goes on sending all the time: nothing that is on its way is lost.
  def test_bytes_read_ahead_keep_their_order
    20.times do
      it = open_pair
      it.client.setsockopt(:TCP, :NODELAY, 1)
      lines = Array.new(4000) { |i| "#{i}\n" }
      sender = Thread.new { lines.each { |line| it.client.write(line) } && it.client.close_write }
      assert_equal "0\n", within { it.near.gets }
      within { it.near.relay(it.far) }
      assert_equal lines.drop(1).join, within { it.origin.read }
      sender.join
      it.near.abort
    end
  end

  def test_a_reset_passes_on
    2.times do |i|
      it = relayed
      assert_passes('paired', it.client, it.origin)
      near, far = i.zero? ? [it.client, it.origin] : [it.origin, it.client]
      reasons = Queue.new
      it.far.on_close { |reason| reasons << reason }
      near.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii'))
      near.close
      assert_reset far
      assert_instance_of Hijack::ResetError, within { reasons.pop }
      assert_instance_of Hijack::ResetError, it.near.wait_closed && it.near.close_reason
    end
    assert_none_left
  end

  def test_close_and_abort_end_both
    it = relayed
    it.near.close
    assert_equal ['', ''], within { [it.origin.read, it.client.read] }
    assert within { it.far.wait_closed }
    it = relayed
    it.far.abort
    assert_reset it.client
    assert_reset it.origin
    assert_none_left
  end

  # Neither blocks nor the collector end it.
  def test_it_needs_no_objects
    _, warnings = capture_io do
      clients = Array.new(30) do
        ours, client = tcp_pair
        @server.adopt(ours).relay(within { @server.connect("127.0.0.1:#{@listener.addr[1]}") })
        @clients << (origin = within { @listener.accept })
        [client, origin]
      end
      eventually('the objects have gone') do
        GC.start
        @server.instance_variable_get(:@queue).size < 10
      end
      clients.each do |client, origin|
        assert_passes('alive', client, origin)
        assert_passes('here', origin, client)
      end
      assert_equal 60, @server.stats[:relayed]
    end
    assert_equal '', warnings
  end

  def test_blocks_release_and_their_errors
    ours, client = tcp_pair
    error = assert_raises(RuntimeError) do
      @server.connect("127.0.0.1:#{@listener.addr[1]}") do |far|
        near = @server.adopt(ours)
        near.relay(far)
        near.release
        raise 'later'
      end
    end
    assert_equal 'later', error.message
    origin = within { @listener.accept }
    @clients << origin
    assert_passes('alive', client, origin)
  end

  def test_who_waits_to_read_is_told
    it = open_pair
    errors = [it.near, it.far].map { |side| Thread.new { side.read(1) } }
    errors.each { |thread| thread.report_on_exception = false }
    eventually('both wait') { errors.all? { |thread| thread.status == 'sleep' } }
    within { it.near.relay(it.far) }
    errors.each { |thread| assert_raises(Hijack::StateError) { within { thread.join } } }
    assert_passes('ping', it.client, it.origin)
  end

  def test_states
    it = relayed
    text = 'it is relayed: its bytes go to the other connection, and come from there'
    { write: ['x'], write_nonblock: ['x'], read: [1], readpartial: [1], read_nonblock: [1], gets: [], eof?: [],
      close_write: [], detach: [] }.each do |name, arguments|
      error = assert_raises(Hijack::StateError, name) { within { it.near.public_send(name, *arguments) } }
      assert_match(/\A\w+\??: #{text}\z/, error.message)
    end
    assert_raises(Hijack::StateError) { it.near.relay(outgoing.first) }
    assert_raises(Hijack::StateError) { outgoing.first.relay(it.near) }
    assert_raises(Hijack::StateError) { @server.broadcaster.add(it.near) }
    assert_raises(Hijack::InvalidError) { it.near.relay(it.near) }
    assert_raises(Hijack::InvalidError) { it.near.relay(nil) }
    assert_raises(Hijack::InvalidError) { it.near.relay(new_server.start.adopt(pair.first)) }
    assert_passes('still', it.client, it.origin)
  end

  # After an error both are as before.
  def test_what_cannot_be_relayed
    it = open_pair
    it.client.write "line\n"
    assert_equal "line\n", within { it.near.gets }
    far, = outgoing
    room = @server.broadcaster
    room.add far
    error = assert_raises(Hijack::StateError) { within { far.relay(it.near) } }
    assert_match(/\Arelay: one of the two is a broadcaster's member/, error.message)
    closed, = outgoing
    closed.close
    assert_raises(Hijack::ClosedError) { within { it.near.relay(closed) } }
    it.client.write 'more'
    assert_equal 'mo', within { it.near.read(2) }
    room.remove far
    within { it.near.relay(far) }
  end

  def test_a_websocket_and_bytes
    sockets = Queue.new
    port = serve(threads: 2) { |request| sockets << request.websocket }
    client = open_socket(port)
    ws = within { sockets.pop }
    far, origin = outgoing
    client.text('read')
    client.text('ahead')
    assert_equal 'read', within { ws.read }
    ws << 'greeting'
    within { ws.relay(far) }
    assert_equal 'greeting', receive(client)
    assert_equal 'ahead', within { origin.readpartial(100) }
    client.binary('more')
    assert_equal 'more', within { origin.readpartial(100) }
    origin.write 'bytes'
    assert_equal 'bytes'.b, receive(client)
    assert_raises(Hijack::StateError) { ws.write('x') }
    assert_raises(Hijack::StateError) { within { ws.read } }
    refute ws.closed?
    client.close
    assert_equal '', within { origin.read }
    assert within { ws.wait_closed }
    assert_equal 1000, ws.close_code
  end

  def test_two_websockets
    sockets = Queue.new
    port = serve(threads: 2) { |request| sockets << request.websocket }
    one, other = open_socket(port, '/one'), open_socket(port, '/other')
    left, right = within { [sockets.pop, sockets.pop] }
    left, right = right, left if left.url.end_with?('other')
    left << 'hello' # so that a message of its client is asked for
    assert_equal 'hello', receive(one)
    one.text('read ahead')
    within { left.relay(right) }
    one.binary('bytes')
    assert_equal ['read ahead', 'bytes'.b], [receive(other), receive(other)]
    other.text('back')
    assert_equal 'back', receive(one)
  end
end
