# frozen_string_literal: true

require_relative 'crowd'
require_relative 'websocket_client'
require_relative 'puma_here'

# Connections that an unchanged Puma has accepted.
class PumaTest < HijackTest
  include PumaHere

  DEMO = File.expand_path('../demos/puma', __dir__)
  COUNT = 5000

  PUMA = ['puma', '-C', "#{DEMO}/puma.rb"].freeze
  # rackup adds Rack::Lint and Rack::ContentLength.
  RACKUP = %w[rackup -s puma -o 127.0.0.1 -p 0 -O Threads=1:5].freeze

  # The demo as it is, in a process of its own.
  def demo(command = PUMA, **environment)
    output, input = IO.pipe
    log = +''
    environment = { 'RUBYLIB' => LIB, 'PORT' => '0', **environment.transform_keys(&:to_s) }
    name, *arguments = command
    program = "load Gem.bin_path('#{name == 'puma' ? 'puma' : 'rack'}', '#{name}')"
    pid = Process.spawn(environment, RbConfig.ruby, '-e', program, '--', *arguments, "#{DEMO}/config.ru",
                        %i[out err] => input)
    input.close
    log << within { output.gets } until log =~ %r{Listening on http://127\.0\.0\.1:(\d+)}
    yield $1.to_i
    Process.kill(:TERM, pid)
    log << within { output.read }
    assert_match(/Gracefully (stopping|shutting down)/, log)
    refute_match(/error/i, log)
    ended(pid)
    pid = nil
  ensure
    output.close
    stop_process(pid) if pid
  end

  def held(port)
    get(port).body.to_i
  end

  def test_5000_adopted_connections_get_every_broadcast
    demo do |port|
      Crowd.open("127.0.0.1:#{port}", COUNT - 100, '--path', '/sse') do |full|
        Crowd.open("127.0.0.1:#{port}", 100, '--path', '/partial') do |partial|
          crowds = [full, partial]
          crowds.each { |crowd| assert crowd.opened['ok'], crowd.opened.inspect }
          assert_equal COUNT, held(port)
          first = next_number(port)
          crowds.each { |crowd| assert crowd.tell('wait "id: ' + "#{first}\\n\" 30")['ok'] }
          crowds.each { |crowd| crowd.tell('forget') }
          each_gets(crowds, first + 1, first + 3)
          assert_operator seconds { 50.times { assert_equal COUNT, held(port) } }, :<, 15, "Puma's threads are free"
          crowds.each { |crowd| crowd.tell("close #{COUNT}") }
        end
      end
      eventually('none left') { held(port).zero? }
    end
  end

  # However it forks, and whatever stands before it.
  def test_the_demo_in_every_mode
    [[PUMA, { WORKERS: '2' }], [PUMA, { WORKERS: '2', PRELOAD: '1' }], [RACKUP, {}]].each do |command, environment|
      demo(command, **environment) do |port|
        clients = Array.new(6) { |number| ask(port, number.even? ? '/sse' : '/partial') }
        clients.each do |client|
          text = read_until(client, 'Z')
          assert_match(/\AHTTP.1.1 200 .*^x-accel-buffering: no\r$.*^data: \d{4}-/mi, text)
          refute_match(/^content-length|^transfer-encoding: *\r/i, text)
        end
        head = ask(port, '/sse', method: 'HEAD')
        assert_match(/\r\n\r\n\z/, within { head.read })
        assert_match(/ clients$/, get(port).body)
        clients.each(&:close)
      end
    end
  end

  def test_the_demos_websockets
    demo do |port|
      echo, member, evil = [['/echo', {}], ['/ws', {}], ['/ws', { 'Origin' => 'http://evil.example' }]].map do |it|
        within { WebSocketClient.new(connect(port), *it) }
      end
      assert_equal [101, 101, 403], [echo, member, evil].map(&:status)
      echo.text('hello')
      assert_equal 'hello', within { echo.receive }
      assert_match(/\A\d{4}-\d\d-\d\dT/, within { member.receive })
      echo.close(4000)
      assert_equal [:close, 4000, ''], within { echo.receive }
      assert_equal 426, get(port, '/echo').status
    end
  end

  # The number of the event after the one that comes next.
  def next_number(port)
    read_until(ask(port, '/sse'), "\n\n")[/^id: (\d+)$/, 1].to_i + 1
  ensure
    @clients.each(&:close)
    eventually('the asker left') { held(port) == COUNT }
  end

  def each_gets(crowds, first, last)
    crowds.each do |crowd|
      answer = crowd.tell("sequence 'id: ' #{first} #{last} 30")
      assert answer['ok'], answer.inspect
    end
  end

  def objects
    GC.start
    [TCPSocket, Puma::Client].map { |kind| ObjectSpace.each_object(kind).count }
  end

  def test_the_language_objects_are_let_go
    server = new_server
    server.start
    clients = server.broadcaster
    puma(->(env) { clients.adopt(env['rack.hijack'].call) && [-1, {}, []] }) do |port, web|
      Crowd.open("127.0.0.1:#{port}", 1, '--path', '/') { |one| assert one.opened['ok'] }
      before = objects
      Crowd.open("127.0.0.1:#{port}", 500, '--path', '/') do |crowd|
        assert crowd.opened['ok']
        eventually('members') { clients.count == 500 }
        # Some may be on a stack that Ruby's collector takes for a reference; far fewer than one for each connection.
        eventually('objects gone') { objects.zip(before).all? { |now, then_| now <= then_ + 50 } }
        assert_equal 2, web.pool_capacity
        assert_equal 500, clients.publish('x')
        assert crowd.tell('wait "data: x" 20')['ok']
      end
    end
  end

  # Both ways of Rack 3: the callable of a full hijack, and the one in the response's headers.
  def test_a_hijacked_socket_can_talk
    server = new_server
    server.start
    app = lambda do |env|
      if env['PATH_INFO'] == '/full'
        socket = server.adopt(env['rack.hijack'].call)
        socket << "HTTP/1.1 200 OK\r\n\r\nyou said: "
        socket << socket.gets
        socket.close
        [-1, {}, []]
      else
        talk = ->(io) { server.adopt(io).use { |socket| socket << 'partly' } }
        [200, { 'connection' => 'close', 'rack.hijack' => talk }, []]
      end
    end
    puma(app) do |port, _|
      client = ask(port, '/full')
      read_until(client, 'said: ') # what came with the request would be in Puma's buffer
      client.puts 'hello'
      assert_equal "hello\n", within { client.read }
      assert_equal 'partly', get(port, '/partial').body
    end
  end
end
