# frozen_string_literal: true

require_relative 'support'
require 'minitest/mock'
require 'tmpdir'

class ServerTest < HijackTest
  def test_options_by_name
    server = new_server(high_water_bytes: '128k', 'server_name' => 'mine', capacity: 10)
    assert_equal [1, 131_072, 'mine'], [server[:threads], server['high_water_bytes'], server[:server_name]]
    server[:heartbeat_ms] = 7
    assert_equal 7, server[:heartbeat_ms]
  end

  def test_wrong_options
    before = descriptors
    { { colour: 1 } => Hijack::OptionError, { overflow: :close } => Hijack::OptionError,
      { threads: 65 } => Hijack::OutOfRangeError, { capacity: 0 } => Hijack::OutOfRangeError,
      { heartbeat_ms: 'often' } => Hijack::OutOfRangeError, { workers: 0 } => Hijack::InvalidError }
      .each { |options, error| assert_raises(error, options.inspect) { Hijack::Server.new(**options) } }
    GC.start
    assert_raises(Hijack::OptionError) { new_server[:colour] }
    error = assert_raises(Hijack::OptionError) { new_server[:colour] = 'red' }
    assert_equal 'HIJACK_EOPTION', error.name
    assert_operator descriptors, :<=, before + 30
  end

  # Those of queues and broadcasters cannot be read: that they come to the library shows in what it refuses.
  def test_every_option_of_the_table_can_be_set
    Hijack::C.options.lines.map { |line| line.split("	") }.each do |scope, name, type, minimum, maximum, default|
      value = another(name, type, minimum, maximum, default)
      next assert_equal value, new_server(name.to_sym => value)[name], name if scope == 'server'

      made = ->(set) { make_with(scope, set) }
      made.call(name.to_sym => value)
      assert_raises(Hijack::OutOfRangeError, name) { made.call(name.to_sym => wrong(type, maximum.to_i + 1)) }
    end
  end

  # A text of that length is made for a text alone: sizes reach a terabyte.
  def wrong(type, above)
    return 'nonsense' if type == 'choice'

    type == 'string' ? 'x' * above : above
  end

  def make_with(scope, options)
    case scope
    when 'queue' then new_server(**options)
    when 'route' then new_server.route_set('/', **options)
    else new_server.broadcaster(**options)
    end
  end

  OTHER_CHOICES = { 'request_body' => 'pieces', 'http2' => 'off', 'tls_min_version' => '1.3', 'tls_takeover' => 'off',
                    'tls_client_verify' => 'require', 'websocket_deflate' => 'off',
                    'websocket_context_takeover' => 'on', 'overflow' => 'latest', 'connect_method' => 'on',
                    'member_messages' => 'deliver', 'member_events' => 'on', 'private_fds' => 'on' }.freeze
  OTHER_TEXTS = { 'position' => 'query:from', 'user_data' => 'header:x-user', 'history_position' => 'e-1' }.freeze
  private_constant :OTHER_CHOICES, :OTHER_TEXTS

  # A value that the option does not have by itself.
  def another(name, type, minimum, maximum, default)
    case type
    when 'choice' then OTHER_CHOICES.fetch(name)
    when 'mode' then '0600'
    when 'string' then OTHER_TEXTS.fetch(name, "not#{default}")
    else minimum == default ? maximum.to_i : minimum.to_i
    end
  end

  def test_listens
    server = new_server
    port = server.listen('127.0.0.1:0')
    folder = Dir.mktmpdir
    path = File.join(folder, 'socket')
    assert_equal 0, server.listen("unix:#{path}")
    assert_equal ["127.0.0.1:#{port}", "unix:#{path}"], server.addresses
    server.start { |request| request.respond 200, request.peer }
    UNIXSocket.open(path) do |client|
      client.write "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      assert_equal 'unix:', read_response(client).body
    end
    assert_match(/\A127/, get(port).body)
  ensure
    server&.stop
    FileUtils.remove_entry(folder) if folder
  end

  def test_listen_errors_say_which_address
    port = serve
    error = assert_raises(Hijack::AddressInUseError) { new_server.listen("127.0.0.1:#{port}") }
    assert_kind_of Errno::EADDRINUSE, error
    assert_match(/\Alisten 127\.0\.0\.1:#{port}: the address is in use/, error.message)
    assert_raises(Hijack::AddressError) { new_server.listen('nonsense') }
    assert_raises(Hijack::NotSocketError) { new_server.listen('fd:0') }
    assert_raises(Hijack::OutOfRangeError) { new_server.listen('127.0.0.1:99999') }
    assert_raises(Hijack::TooBigError) { new_server.listen("unix:/tmp/#{'x' * 200}") }
    assert_raises(Errno::ENOENT) { new_server.listen('unix:/nonexistent-folder/x.sock') }
    assert_raises(Errno::EADDRNOTAVAIL) { new_server.listen('192.0.2.1:0') }
    assert_raises(Hijack::StateError) { @server.listen('127.0.0.1:0') }
  end

  def test_a_socket_that_listens
    Dir.mktmpdir do |folder|
      [TCPServer.new('127.0.0.1', 0), UNIXServer.new("#{folder}/socket")].each do |listener|
        before = descriptors
        server = new_server
        port = server.listen(listener)
        assert_equal listener.local_address.unix? ? 0 : listener.local_address.ip_port, port
        server.start { |request| request.respond 200, 'served' }
        client = listener.is_a?(UNIXServer) ? UNIXSocket.new(listener.path) : connect(port)
        client.write "GET / HTTP/1.0\r\n\r\n"
        assert_match(/served\z/, within { client.read })
        client.close
        server.stop
        assert_equal :wait_readable, listener.accept_nonblock(exception: false), "it is still the program's"
        eventually('nothing left') { descriptors <= before }
        listener.close
      end
    end
    reader, = IO.pipe
    assert_match(/not a listening socket/, assert_raises(Hijack::NotSocketError) { new_server.listen(reader) }.message)
    refute reader.closed?
  end

  def test_options_of_a_route
    server = new_server
    assert_same server, server.route_set('/up/*', request_body: :pieces, max_body_bytes: '100m')
    error = assert_raises(Hijack::OutOfRangeError) { server.route_set('/up/*', request_body: :some) }
    assert_match(%r{\Aroute /up/\*: option request_body: expected .*whole or pieces.* \(got :some\)\z}, error.message)
    assert_raises(Hijack::OptionError) { server.route_set('/', colour: 'red') }
    assert_raises(Hijack::InvalidError) { server.route_set('up', max_body_bytes: 1) }
    server.start
    assert_raises(Hijack::StateError) { server.route_set('/', max_body_bytes: 1) }
  end

  def test_rights_of_a_unix_socket
    folder = Dir.mktmpdir
    new_server(unix_mode: '0666').listen("unix:#{folder}/socket")
    assert_equal 0o666, File.stat("#{folder}/socket").mode & 0o777
    assert_raises(Hijack::OutOfRangeError) { new_server(unix_mode: 0o660) } # a number, where text is expected
  ensure
    FileUtils.remove_entry(folder) if folder
  end

  def test_hold_is_settled_before_the_start
    server = new_server
    clients = server.broadcaster
    assert_same server, server.hold('/a', clients)
    error = assert_raises(Hijack::StateError) { server.hold('/a', clients) }
    assert_match(%r{\Ahold /a: }, error.message)
    assert_raises(Hijack::InvalidError) { server.hold('a', clients) }
    server.start
    assert_raises(Hijack::StateError) { server.hold('/b', clients) }
    assert_raises(Hijack::StateError) { server[:threads] = 1 }
  end

  def test_starts_once
    serve
    assert_raises(Hijack::StateError) { @server.start }
    assert_raises(Hijack::StateError) { @server.run }
    assert @server.running?, 'the second start has not stopped it'
  end

  def test_stop
    port = serve { |request| request.respond 200 }
    client = ask(port)
    assert @server.running?
    assert_match(/running/, @server.inspect)
    read_until(client, "\r\n\r\n")
    2.times { assert_nil @server.stop }
    refute @server.running?
    assert_match(/not running/, @server.inspect)
    within { client.read }
    assert_raises(Errno::ECONNREFUSED) { TCPSocket.new('127.0.0.1', port) }
    calls = [-> { @server.stats }, -> { @server.addresses }, -> { @server[:threads] }, -> { @server.start },
             -> { @server.listen('localhost:0') }, -> { @server.drain }]
    calls.each { |call| assert_raises(Hijack::ShutdownError, &call) }
    assert_same @server, @server.wait
  end

  def test_stop_without_a_start
    server = new_server
    assert_raises(Hijack::StateError) { server.wait }
    assert_raises(Hijack::StateError) { server.drain }
    assert_nil server.stop
    assert_nil server.stop
  end

  def test_stop_from_a_handler
    port = serve { |_request| @server.stop }
    ask(port)
    within { @server.wait }
  end

  # A handler that is at work does not keep stop waiting, and ends on its own.
  def test_stop_does_not_wait_for_busy_handlers
    leave = Thread::Queue.new
    left = Thread::Queue.new
    port = serve { |_request| left << leave.pop }
    ask(port)
    eventually('handler') { leave.num_waiting == 1 }
    within { @server.stop }
    leave << true
    assert within { left.pop }
  end

  def test_run_blocks_until_stop
    server = new_server
    port = server.listen('127.0.0.1:0')
    runner = Thread.new { server.run { |request| request.respond 200, 'run' } }
    assert_equal 'run', get(port).body
    server.stop
    assert_nil within { runner.value }
  end

  def test_open_stops_at_the_end_of_its_block
    kept = nil
    value = Hijack::Server.open(threads: 1) do |server|
      kept = server.start
      assert server.running?
      :value
    end
    assert_equal :value, value
    refute kept.running?
    Hijack::Server.open(threads: 1).stop
    assert_raises(RuntimeError) { Hijack::Server.open { |server| raise (kept = server).start.inspect } }
    refute kept.running?
  end

  def test_drain_lets_handlers_finish
    gate = Thread::Queue.new
    port = serve { |request| request.respond 200, gate.pop }
    client = ask(port)
    eventually('the handler waits') { gate.num_waiting == 1 }
    assert_same @server, @server.drain(PATIENCE)
    gate << 'finished'
    within { @server.wait }
    assert_match(/finished\z/, client.read)
  end

  def test_drain_ends_members_by_its_deadline
    server = new_server
    clients = server.broadcaster
    server.hold '/', clients
    port = server.listen('127.0.0.1:0')
    server.start
    peers = Array.new(5) { ask(port) }
    eventually('members') { clients.count == 5 }
    within { server.drain(0.3).wait }
    assert(peers.all? { |peer| peer.read.end_with?("0\r\n\r\n") })
  end

  def test_each_request
    server = new_server
    port = server.listen('127.0.0.1:0')
    bodies = Array.new(3) { |number| Thread.new { get(port, "/#{number}").body } }
    paths = []
    assert_same server, (server.each_request do |request|
      paths << request.path
      request.respond 200, request.path
      server.stop if paths.size == 3
    end)
    assert_equal %w[/0 /1 /2], paths.sort
    within { bodies.each(&:join) }
    refute server.running?
  end

  def test_each_request_as_an_enumerator_leaves_answers_to_others
    server = new_server
    port = server.listen('127.0.0.1:0')
    client = Thread.new { get(port) }
    refused = Thread.new { get(port, '/free').status }
    requests = server.each_request.first(2).sort_by(&:path)
    refute server.running?, 'first has left it'
    assert_equal %w[/ /free], requests.map(&:path)
    requests.each(&:free)
    within { [client, refused].each(&:join) }
    assert_raises(Hijack::StateError) { requests.first.respond(200) }
  end

  def test_stats
    port = serve { |request| request.respond 200 }
    get(port)
    stats = @server.stats
    assert_equal Hijack::C::STAT_COUNT, stats.size
    assert_equal [1, 1, 0], stats.values_at(:accepted, :requests, :held)
    assert(stats.values.all?(Integer))
  end

  def test_a_pool_of_threads_handles_side_by_side
    together = Thread::Queue.new
    port = serve(workers: 3) do |request|
      together << Thread.current
      eventually('the others') { together.size == 3 }
      request.respond 200, Thread.current.name
    end
    names = Array.new(3) { ask(port, '/', { 'Connection' => 'close' }) }.map { |client| read_response(client).body }
    assert_equal ['hijack worker 1', 'hijack worker 2', 'hijack worker 3'], names.sort
  end

  # Handlers that end more than themselves.
  def test_what_a_handler_cannot_end
    ends = { '/deep' => -> { deep(0) }, '/memory' => -> { raise NoMemoryError, 'none' },
             '/exit' => -> { Thread.exit }, '/kill' => -> { Thread.current.kill } }
    port = serve(workers: 1) { |request| ends.fetch(request.path) { -> { request.respond 200 } }.call }
    reported = Thread::Queue.new
    @server.on_error { |error, _| reported << error.class }
    ends.each_key do |path|
      assert_equal [500, 200], [get(port, path).status, get(port).status], path
    end
    assert_equal [SystemStackError, NoMemoryError], Array.new(2) { within { reported.pop } }
  end

  def deep(level)
    deep(level + 1) + 1
  end

  # The workers are ended then, too, and no new ones may come.
  def test_the_process_ends_under_its_workers
    program = 'Hijack::Server.new(threads: 1).start { |_| nil }; sleep 0.05'
    _, _, status = ruby("require 'hijack_ffi'\n#{program}")
    assert status.success?
  end

  # As if the process could have only so many threads more.
  def without_threads(left, &block)
    original = Thread.method(:new)
    refuse = lambda do |*arguments, &body|
      (left -= 1).negative? ? raise(ThreadError, "can't create Thread") : original.call(*arguments, &body)
    end
    Thread.stub(:new, refuse, &block)
  end

  def test_a_start_without_threads_leaves_nothing_started
    [0, 1, 2].each do |left|
      server = new_server(workers: 2)
      port = server.listen('127.0.0.1:0')
      without_threads(left) { assert_raises(ThreadError) { server.start { |request| request.respond 200 } } }
      refute server.running?
      assert_raises(Errno::ECONNREFUSED) { TCPSocket.new('127.0.0.1', port) }
      within { server.wait.stop }
    end
  end

  def test_stop_while_the_start_fails
    server = new_server
    stopper = nil
    start = lambda do |_|
      stopper = Thread.new { server.stop }
      eventually('stop waits') { stopper.status == 'sleep' }
      Hijack::C::ENOMEM
    end
    Hijack::C.stub(:server_start, start) { assert_raises(Hijack::Error) { server.start } }
    assert within { stopper.join }
  end

  # Whatever goes wrong at the end, it comes.
  def test_an_end_that_fails
    port = serve(workers: 1) { |request| request.respond 200 }
    get(port)
    poller = @server.instance_variable_get(:@thread)
    poller.report_on_exception = false
    waiting = Thread.new { assert_raises(RuntimeError) { @server.wait } }
    @server.instance_variable_get(:@queue).stub(:dispatch, -> { raise 'bad' }) do
      assert_raises(RuntimeError) { within { @servers.pop.stop } }
    end
    within { waiting.join }
    refute @server.running?
    assert_raises(Hijack::ShutdownError) { @server.stats }
  end
end
