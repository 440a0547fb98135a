# frozen_string_literal: true

require_relative 'websocket_client'

# Objects that the program drops without an end.
class DroppedTest < HijackTest
  COUNT = 30
  FEW = 5 # may be on a stack that the collector takes for a reference

  def collected(what)
    eventually(what) do
      GC.start
      yield
    end
  end

  # That many clients, of whose connections this handler keeps nothing.
  def crowd(**options, &handler)
    port = serve(workers: 1, **options, &handler)
    clients = Array.new(COUNT) { ask(port) }
    eventually('all are served') { @server.stats[:requests] == COUNT }
    clients
  end

  def test_broadcasters
    server = new_server.start
    rooms = server.instance_variable_get(:@handles).broadcasters
    200.times { server.broadcaster }
    collected('broadcasters') { rooms.size < FEW }
    kept = server.broadcaster
    GC.start
    assert_equal 0, kept.count
  end

  # Nobody can publish, but it is still a member that drains and has heartbeats.
  def test_a_broadcaster_with_members
    server = new_server(heartbeat_ms: 20)
    server.hold('/', server.broadcaster)
    port = server.listen('127.0.0.1:0')
    server.start
    client = ask(port)
    read_until(client, "\r\n\r\n")
    rooms = server.instance_variable_get(:@handles).broadcasters
    collected('the room') { rooms.empty? }
    read_until(client, ":\n\n")
    assert_equal 1, server.stats[:held]
  end

  { stream: ->(r) { r.stream }, sse: ->(r) { r.sse << 'x' }, socket: ->(r) { r.hijack } }.each do |name, become|
    define_method("test_#{name}s_end") do
      _, warnings = capture_io do
        clients = crowd(&become)
        collected('their end') { @server.stats[:connections] < FEW }
        assert_operator clients.count { |client| client.wait_readable(0) }, :>, COUNT - FEW
      end
      assert_match(/\A\S+dropped_test.rb:\d+:in `.*': warning: a Hijack::\w+ was dropped before its end/, warnings)
    end
  end

  def test_what_was_connected_ends
    server = new_server.start
    listener = TCPServer.new('127.0.0.1', 0)
    others = nil
    _, warnings = capture_io do
      others = Array.new(COUNT) { server.connect("127.0.0.1:#{listener.addr[1]}") && listener.accept }
      @clients.concat([listener, *others])
      collected('their end') { server.stats[:connections] < FEW }
    end
    assert_operator others.count { |other| other.wait_readable(0) }, :>, COUNT - FEW
    assert_match(/\A\S+dropped_test.rb:\d+:in `.*': warning: a Hijack::Socket was dropped before its end/, warnings)
  end

  def test_members_live_on
    room = nil
    port = serve(workers: 1) { |request| room << request.sse }
    room = @server.broadcaster
    clients = Array.new(COUNT) { ask(port) }
    eventually('members') { room.count == COUNT }
    collected('their objects') { ObjectSpace.each_object(Hijack::Stream).count { |it| !it.closed? } < FEW }
    assert_equal COUNT, room.publish('still there')
    clients.each { |client| read_until(client, 'data: still there') }
  end

  def test_those_with_callbacks_stay_until_their_end
    ends = Thread::Queue.new
    clients = crowd { |request| request.stream.on_close { ends << true } }
    eventually('streams') { @server.stats[:streams] == COUNT }
    3.times { GC.start }
    assert_equal COUNT, @server.stats[:streams]
    clients.each(&:close)
    COUNT.times { assert within { ends.pop } }
  end

  # The block's end has closed them, as a program should: they wait for the client's answer alone.
  def test_closed_websockets_are_no_mistake
    _, warnings = capture_io do
      port = serve(workers: 1) { |request| request.websocket { |ws| ws << 'bye' } }
      clients = Array.new(COUNT) { within { WebSocketClient.new(connect(port)) } }
      collected('their objects') { @server.instance_variable_get(:@queue).size < FEW }
      assert_equal COUNT, @server.stats[:connections], 'they wait still'
      clients.each do |client|
        assert_equal ['bye', [:close, 1000, '']], within { Array.new(2) { client.receive } }
        client.close
        assert_empty within { client.rest }
      end
    end
    assert_empty warnings
  end

  def test_requests_that_nobody_will_answer
    server = new_server
    port = server.listen('127.0.0.1:0')
    server_thread = Thread.new { server.each_request { |request| request.path } }
    _, warnings = capture_io do
      clients = Array.new(COUNT) { ask(port, '/', { 'Connection' => 'close' }) }
      collected('an answer') { clients.count { |client| client.wait_readable(0) } > COUNT - FEW }
      assert_match(%r{\AHTTP/1.1 500 }, clients.find { |client| client.wait_readable(0) }.read)
    end
    assert_match(/a Hijack::Request was dropped/, warnings)
    server.stop
    within { server_thread.join }
  end

  def test_a_body_keeps_its_request
    server = new_server(request_body: :pieces)
    port = server.listen('127.0.0.1:0')
    bodies = Thread::Queue.new
    server_thread = Thread.new { server.each_request { |request| bodies << request.body } }
    client = ask(port, '/', { 'Content-Length' => '4' }, method: 'POST')
    body = within { bodies.pop }
    3.times { GC.start }
    client.write 'read'
    assert_equal 'read', within { body.read }
    server.stop
    within { server_thread.join }
  end

  PROGRAM = <<~RUBY
    require 'hijack_ffi'
    require 'socket'
    server = Hijack::Server.new(threads: 1)
    port = server.listen('127.0.0.1:0')
    open = []
    server.start { |request| request.path == '/kept' ? open << request.sse : request.sse }
    clients = (['/kept'] + ['/'] * 20).map do |path|
      TCPSocket.new('127.0.0.1', port).tap { |it| it.write "GET \#{path} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" }
    end
    clients.each { |client| client.readpartial(1000) }
    500.times { GC.start if server.stats[:streams] > 5 }
  RUBY

  def test_there_is_a_warning_under_w_alone
    _, warnings = ruby(PROGRAM, quiet: false)
    assert_match(/\A-e:6:in `block in <main>': warning: a Hijack::Stream was dropped before its end/, warnings)
    assert_operator warnings.lines.size, :<=, 20, 'the open one is no mistake'
    _, nothing = ruby(PROGRAM, '-W1')
    assert_empty nothing
  end
end
