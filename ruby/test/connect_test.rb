# frozen_string_literal: true

require_relative 'support'
require 'async'
require 'tmpdir'

# Connections to elsewhere, which the program asks for.
class ConnectTest < HijackTest
  def setup
    super
    @listeners = []
  end

  def teardown
    @listeners.each(&:close)
    super
  end

  def started(**options)
    @server = new_server(**options).start
  end

  def listen
    TCPServer.new('127.0.0.1', 0).tap { |it| @listeners << it }
  end

  # The address of a listener whose queue is full, so that nobody gets an answer.
  def full_listener
    listener = ::Socket.new(:INET, :STREAM)
    listener.bind(Addrinfo.tcp('127.0.0.1', 0))
    listener.listen(0)
    @listeners << listener
    3.times do
      client = ::Socket.new(:INET, :STREAM)
      client.connect_nonblock(listener.local_address, exception: false)
      @listeners << client
    end
    listener.local_address.inspect_sockaddr
  end

  def address_of(listener)
    "127.0.0.1:#{listener.addr[1]}"
  end

  def accept(listener)
    within { listener.accept }.tap { |it| @clients << it }
  end

  # Nothing stays of a connection: neither an object, nor one of the library.
  def assert_nothing_left(server = @server)
    eventually('no connection') { server.stats[:connections].zero? }
    eventually('no object') { server.instance_variable_get(:@queue).size.zero? }
  end

  def assert_refused(kind, also, text, address, **options)
    error = assert_raises(kind) { within { @server.connect(address, **options) } }
    assert_kind_of also, error
    assert_equal "connect #{address}: #{text}", error.message
  end

  def test_a_conversation
    started
    listener = listen
    socket = within { @server.connect(address_of(listener)) }
    socket << 'before anything is read'
    other = accept(listener)
    assert_equal 'before anything is read', read_until(other, 'read')
    other.write 'hello'
    assert_equal 'hello', within { socket.read(5) }
    assert_equal [address_of(listener), listener.addr[1]], [socket.peer, socket.remote_address.ip_port]
    assert_equal 1, @server.stats[:outgoing]
    socket.close
    assert_equal '', within { other.read }
    other.close
    assert_nothing_left
  end

  def test_a_block
    started
    listener = listen
    result = @server.connect("localhost:#{listener.addr[1]}", timeout: PATIENCE) do |socket|
      socket << 'in the block'
      :result
    end
    assert_equal :result, result
    assert_equal 'in the block', within { accept(listener).read }
    assert_raises(RuntimeError) { @server.connect(address_of(listener)) { raise 'broken' } }
    assert_raises(Errno::ECONNRESET) { within { accept(listener).readpartial(1) } }
    assert_nothing_left
  end

  def test_a_unix_socket
    started
    Dir.mktmpdir do |folder|
      path = File.join(folder, 'here:80')
      assert_refused Hijack::NotFoundError, Errno::ENOENT, 'this unix path does not exist', "unix:#{path}"
      listener = UNIXServer.new(path)
      socket = within { @server.connect("unix:#{path}") }
      accept(listener).write 'from a file'
      assert_equal 'from a file', within { socket.read(11) }
      assert_equal ["unix:#{path}", ['AF_UNIX', path]], [socket.peer, socket.peeraddr]
      socket.close
      listener.close
      assert_raises(Hijack::RefusedError) { @server.connect("unix:#{path}") }
    end
  end

  def test_why_not
    started
    listener = listen
    address = address_of(listener)
    listener.close
    expected = 'expected 127.0.0.1:80, [::1]:80, example.org:80 (a port from 1 to 65535), ' \
               'tls: before one of these, or unix:/path'
    assert_refused Hijack::RefusedError, Errno::ECONNREFUSED,
                   'the other side refused the connection; nothing listens at that address', address
    assert_refused Hijack::AddressNotAvailableError, Errno::EADDRNOTAVAIL,
                   'the host does not exist, no route leads to it, or no local port is free', 'a..b:80'
    ['', 'localhost', '127.0.0.1:0', '*:80', 'tls:unix:/path', nil, 80].each do |wrong|
      assert_refused Hijack::AddressError, ArgumentError, expected, wrong
    end
    assert_refused Hijack::OutOfRangeError, RangeError, 'expected a port from 1 to 65535', 'localhost:65536'
    assert_refused Hijack::TooBigError, ArgumentError, 'expected at most 107 bytes as the path of a unix socket',
                   "unix:/#{'x' * 107}"
    assert_nothing_left
  end

  def test_it_takes_too_long
    started(connect_timeout_ms: 100)
    assert_refused Hijack::TimedOutError, Errno::ETIMEDOUT,
                   'it was not open within the time of the option connect_timeout_ms', full_listener
    assert_nothing_left
    started
    assert_refused Hijack::WaitTimeoutError, IOError, 'not possible within 0.05 s', full_listener, timeout: 0.05
    assert_nothing_left
  end

  def test_an_interrupt_leaves_nothing
    started
    address = full_listener
    before = descriptors
    assert_raises(Timeout::Error) { Timeout.timeout(0.05) { @server.connect(address) } }
    assert_nothing_left
    thread = Thread.new { @server.connect(address) { flunk } }
    thread.report_on_exception = false
    eventually('on its way') { @server.stats[:connections] == 1 && thread.stop? }
    thread.raise(Timeout::Error)
    assert_raises(Timeout::Error) { within { thread.value } }
    assert_nothing_left
    eventually('no descriptor') { descriptors == before }
  end

  def test_a_server_that_does_not_run
    @server = new_server
    assert_refused Hijack::StateError, RuntimeError, 'the server has not been started', '127.0.0.1:1'
    @server.start
    address = full_listener
    waiting = Thread.new { assert_refused Hijack::ShutdownError, IOError, 'the server stops or has stopped', address }
    eventually('on its way') { @server.stats[:connections] == 1 }
    @server.stop
    within { waiting.join }
    assert_refused Hijack::ShutdownError, IOError, 'the server stops or has stopped', '127.0.0.1:1'
  end

  # Unlike the end of its own client, that of another connection is an error of the handler.
  def test_a_handler_that_connects
    listener = listen
    address = address_of(listener)
    port = serve do |request|
      body = @server.connect(address) { |socket| socket.tap(&:close_write).read }
      request.respond 200, body
    end
    reported = Thread::Queue.new
    @server.on_error { |error, _| reported << error }
    client = ask(port, '/', { 'Connection' => 'close' })
    accept(listener).tap { |it| it.write 'from behind' }.close
    assert_equal 'from behind', read_response(client).body
    listener.close
    assert_equal 500, get(port).status
    assert_instance_of Hijack::RefusedError, within { reported.pop }
  end

  def test_members
    started
    listener = listen
    room = @server.broadcaster
    room.add(@server.connect(address_of(listener)))
    room << 'to all'
    assert_equal 'to all', read_until(accept(listener), 'all')
    room.close
  end

  # A fiber that waits holds nobody up, and needs no thread.
  def test_fibers
    listener = listen
    address = full_listener
    failures = []
    Async do |task|
      server = new_server.start
      slow = task.async { server.connect(address, timeout: 0.1) }
      socket = server.connect(address_of(listener), timeout: PATIENCE)
      refute slow.finished?
      socket.write 'hello'
      assert_equal 'hello', read_until(accept(listener), 'hello')
      slow.wait
    rescue Hijack::WaitTimeoutError => e
      failures << e
      cancelled = task.async { server.connect(address) }
      eventually('on its way') { server.stats[:connections] == 2 }
      cancelled.stop
      eventually('gone') { server.stats[:connections] == 1 }
    ensure
      server.stop
    end.wait
    assert_equal ["connect #{address}: not possible within 0.1 s"], failures.map(&:message)
  end
end
