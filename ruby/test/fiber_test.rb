# frozen_string_literal: true

require_relative 'websocket_client'
require 'async'

# Under a Fiber scheduler: a fiber for each request, no thread.
class FiberTest < HijackTest
  # Serves under Async in a thread of its own while the block runs.
  def async(handler, **options)
    server = new_server(**options)
    port = server.listen('127.0.0.1:0')
    reactor = Thread.new { Async { server.run(&handler) } }
    yield port, server
    server.stop
    within { reactor.join }
  ensure
    reactor&.kill&.join
  end

  def test_requests_sleep_side_by_side_without_threads
    here = 0
    handler = lambda do |request|
      here += 1
      sleep 0.005 until here == 20
      request.respond 200, Thread.list.count { |thread| thread.name.to_s.start_with?('hijack') }.to_s
    end
    async(handler) do |port, _|
      clients = Array.new(20) { ask(port, '/', { 'Connection' => 'close' }) }
      assert_equal ['0'], clients.map { |client| read_response(client).body }.uniq
    end
  end

  def test_sockets_wait_without_holding_others_up
    handler = lambda do |request|
      next request.respond 200, 'now' if request.path == '/'

      request.hijack { |socket| socket.each_chunk { |bytes| socket << bytes } }
    end
    async(handler) do |port, _|
      echoes = Array.new(10) { ask(port, '/echo') }
      assert_equal 'now', get(port).body
      2.times do |turn|
        echoes.each { |client| client.write "turn #{turn}" }
        echoes.each { |client| read_until(client, "turn #{turn}") }
      end
      echoes.each(&:close_write)
      echoes.each { |client| assert_equal '', within { client.read } }
    end
  end

  def test_a_writer_waits_for_its_client_while_others_go_on
    handler = lambda do |request|
      request.path == '/' ? request.respond(200, 'now') : request.stream { |it| 100.times { it << 'x' * 200_000 } }
    end
    async(handler) do |port, server|
      slow = ask(port, '/big', { 'Connection' => 'close' })
      eventually('pressure') { server.stats[:backlog_bytes].positive? }
      assert_equal 'now', get(port).body
      assert_equal 20_000_000, read_response(slow).body.bytesize
    end
  end

  def open_socket(port, path = '/')
    within { WebSocketClient.new(connect(port), path) }
  end

  def test_websockets_wait_without_holding_others_up
    handler = lambda do |request|
      next request.respond 200, Thread.list.map { |thread| thread.name.to_s[/\Ahijack/] }.compact.inspect unless
        request.websocket?

      request.websocket { |ws| ws.each { |message| ws << message } }
    end
    async(handler) do |port, _|
      clients = Array.new(10) { open_socket(port) }
      assert_equal '[]', get(port).body
      2.times do |turn|
        clients.each { |client| client.text("turn #{turn}") }
        clients.each { |client| assert_equal "turn #{turn}", within { client.receive } }
      end
      clients.each { |client| client.close(4000) }
      clients.each { |client| assert_equal [:close, 4000, ''], within { client.receive } }
    end
  end

  def test_a_websocket_waits_for_its_slow_client_while_others_go_on
    handler = lambda do |request|
      next request.respond 200, 'now' unless request.websocket?

      request.websocket { |ws| 100.times { |number| ws << number.to_s.ljust(200_000) } }
    end
    async(handler) do |port, server|
      slow = open_socket(port)
      eventually('pressure') { server.stats[:backlog_bytes].positive? }
      assert_equal 'now', get(port).body
      assert_equal (0...100).to_a, Array.new(100) { within { slow.receive }.to_i }
      assert_equal [:close, 1000, ''], within { slow.receive }
    end
  end

  def test_on_message_calls_in_fibers_one_after_the_other
    ends = Thread::Queue.new
    handler = lambda do |request|
      ws = request.websocket
      ws.on_message do |message|
        sleep 0.002
        ws << "#{message} #{Thread.list.count { |thread| thread.name.to_s.start_with?('hijack') }}"
      end
      ws.on_close { |code, _| ends << code }
    end
    async(handler) do |port, _|
      clients = Array.new(5) { open_socket(port) }
      clients.each { |client| 20.times { |number| client.text(number.to_s) } }
      clients.each { |client| 20.times { |number| assert_equal "#{number} 0", within { client.receive } } }
      clients.each(&:close)
      assert_equal [1000] * 5, within { Array.new(5) { ends.pop } }
    end
  end

  def test_timeouts
    handler = lambda do |request|
      request.hijack do |socket|
        socket.timeout = 0.05
        socket.gets
      rescue Hijack::WaitTimeoutError => e
        socket << e.message
      end
    end
    async(handler) { |port, _| assert_equal 'read: not possible within 0.05 s', within { ask(port).read } }
  end

  def test_another_thread_uses_a_fibers_socket
    sockets = Thread::Queue.new
    async(->(request) { request.hijack { |socket| (sockets << socket) && socket.read } }) do |port, _|
      client = ask(port)
      within { sockets.pop } << 'from a thread'
      assert_equal 'from a thread', read_until(client, 'thread')
      client.close
    end
  end

  def test_errors_are_reported
    seen = nil
    async(->(_) { raise 'bad' }) do |port, server|
      server.on_error { |error, _| seen = error.message }
      assert_equal 500, get(port).status
      assert_equal 'bad', seen
    end
  end

  def test_stop_from_a_handler
    server = new_server
    port = server.listen('127.0.0.1:0')
    reactor = Thread.new { Async { server.run { |_| server.stop } } }
    ask(port)
    within { reactor.join }
  end

  def test_cancelling_the_task_stops_the_server_at_once
    states = []
    within do
      Async do |task|
        server = new_server
        port = server.listen('127.0.0.1:0')
        run = task.async { server.run { |request| request.hijack(&:read) } }
        client = Thread.new { ask(port).tap { |it| it.wait_readable } }
        task.sleep 0.01 until server.stats[:sockets] == 1
        states << server.running?
        run.stop
        states << server.running?
        client.join
      end
    end
    assert_equal [true, false], states
  end

  def test_start_is_a_task_of_the_reactor
    bodies = []
    within do
      Async do |task|
        server = new_server
        port = server.listen('127.0.0.1:0')
        server.start { |request| request.respond 200, 'started' }
        bodies << Thread.new { get(port).body }.value
        server.stop
        server.wait
      end
    end
    assert_equal ['started'], bodies
  end

  def test_each_request
    paths = []
    within do
      Async do |task|
        server = new_server
        port = server.listen('127.0.0.1:0')
        task.async do
          server.each_request do |request|
            paths << request.path
            request.respond 200
            break
          end
        end
        task.async { Thread.new { get(port, '/one') }.join }
      end
    end
    assert_equal ['/one'], paths
  end

  def test_interrupting_the_reactor
    program = <<~RUBY
      require 'async'
      require 'hijack_ffi'
      server = Hijack::Server.new(threads: 1)
      port = server.listen('127.0.0.1:0')
      $stdout.sync = true
      puts port
      begin
        Async { server.run { |request| request.hijack(&:read) } }
      rescue Interrupt
        puts server.running?
      end
    RUBY
    ruby_process(program) do |pid, output|
      client = ask(output.gets.to_i)
      assert_nil client.wait_readable(0.1)
      Process.kill(:INT, pid)
      assert ended(pid).success?
      assert_equal "false\n", output.read
    end
  end

  def test_a_handler_without_stack_does_not_end_the_server
    seen = nil
    deep = ->(level) { deep.call(level + 1) + 1 }
    async(->(request) { request.path == '/' ? request.respond(200) : deep.call(0) }) do |port, server|
      server.on_error { |error, _| seen = error.class }
      assert_equal [500, 200], [get(port, '/deep').status, get(port).status]
      assert_equal SystemStackError, seen
    end
  end
end
