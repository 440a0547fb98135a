# frozen_string_literal: true

require_relative 'websocket_client'

# Which errors of a handler are reported: all, except that its own client has left.
class ReportingTest < HijackTest
  def serve_reporting(**options, &handler)
    @reported = Thread::Queue.new
    server = new_server(**options)
    server.on_error { |error, object| @reported << [error.class, error.message, object.class] }
    port = server.listen('127.0.0.1:0')
    @server = server
    server.start(&handler)
    port
  end

  def reset(client)
    client.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii'))
    client.close
  end

  def test_another_connection_that_has_ended
    joined = Thread::Queue.new
    port = serve_reporting do |request|
      next joined << request.hijack if request.path == '/join'

      joined.pop << 'hello'
    end
    client = ask(port, '/join')
    other = within { joined.pop }
    reset(client)
    assert other.wait_closed(PATIENCE)
    joined << other
    assert_equal 500, get(port).status
    assert_equal [Hijack::ResetError, Hijack::Request], within { @reported.pop }.values_at(0, 2)
  end

  FREED = 'this broadcaster has been freed'

  def test_a_broadcaster_that_was_freed
    room = nil
    port = serve_reporting do |request|
      case request.path
      when '/hold' then request.hold room
      when '/publish' then room.publish 'x'
      when '/event' then room.publish 'x', id: 1
      when '/add' then request.sse { |stream| room << stream }
      end
    end
    room = @server.broadcaster
    room.free
    { '/hold' => 'hold', '/publish' => 'publish', '/event' => 'publish' }.each do |path, call|
      assert_equal 500, get(port, path).status
      assert_equal [Hijack::ClosedError, "#{call}: #{FREED}", Hijack::Request], within { @reported.pop }
    end
    ask(port, '/add')
    assert_equal [Hijack::ClosedError, "add: #{FREED}", Hijack::Request], within { @reported.pop }
    [-> { room.count }, -> { room.stats }, -> { room.close }, -> { room.set(overflow: :latest) },
     -> { room.adopt(pair.first) }, -> { new_server.hold('/', room) }].each do |call|
      assert_match(/: (this broadcaster has been freed)\z/, assert_raises(Hijack::ClosedError, &call).message)
    end
    assert_match(/freed/, room.inspect)
  end

  # What the request has become, and its body. The resets come only when all three handlers have got that far: an
  # earlier one would end a handler before it has its object.
  def test_its_own_connection_is_silent
    begun = Thread::Queue.new
    ends = Thread::Queue.new
    wait = lambda do |object|
      begun << true
      ends << object.wait_closed
      loop { object << 'x' * 9999 }
    end
    port = serve_reporting(request_body: :pieces) do |request|
      case request.path
      when '/stream' then request.stream(&wait)
      when '/socket' then request.hijack(&wait)
      when '/body' then (begun << true) && request.body.read
      else request.respond 200
      end
    ensure
      ends << $!.class
    end
    clients = [ask(port, '/stream'), ask(port, '/socket')]
    clients << ask(port, '/body', { 'Content-Length' => '10' }, method: 'POST')
    3.times { within { begun.pop } }
    clients.each { |client| reset(client) }
    found = Array.new(5) { within { ends.pop } } - [true]
    assert_empty found - [Hijack::ResetError, Hijack::ClosedError], found.inspect
    assert_equal 200, get(port, '/next').status
    assert_empty @reported
  end

  def test_a_websocket_of_its_own_is_silent_and_a_freed_room_is_not
    room = nil
    port = serve_reporting(websocket_pong_ms: 100) do |request|
      request.websocket do |ws|
        ws.read
        request.path == '/room' ? room << 'x' : (ws.wait_closed && loop { ws << 'x' * 9999 })
      end
    end
    room = @server.broadcaster
    room.free
    member = within { WebSocketClient.new(connect(port), '/room') }
    member.text('go')
    assert_equal [:close, 1011], within { member.receive }.first(2)
    assert_equal "publish: #{FREED}", within { @reported.pop }[1]
    client = connect(port)
    within { WebSocketClient.new(client) }.text('go')
    client.close
    eventually('the end') { @server.stats[:sockets].zero? }
    @server.stop
    assert_empty @reported
  end

  def test_a_websocket_that_is_read_when_its_client_resets_is_silent
    ended = Thread::Queue.new
    port = serve_reporting do |request|
      request.websocket do |ws|
        ws << 'ready'
        ws.read
      ensure
        ended << $!.class
      end
    end
    client = connect(port)
    assert_equal 'ready', within { WebSocketClient.new(client).receive }
    reset(client)
    assert_equal Hijack::ResetError, within { ended.pop }
    @server.stop
    assert_empty @reported
  end

  def test_the_end_of_its_own_server_is_silent_and_of_another_is_not
    other = new_server.start
    room = other.broadcaster
    other.stop
    stopping = Thread::Queue.new
    own = nil
    port = serve_reporting do |request|
      next room << 'x' if request.path == '/other'

      stopping << true
      loop { own << 'x' }
    end
    own = @server.broadcaster
    assert_equal 500, get(port, '/other').status
    assert_equal Hijack::ShutdownError, within { @reported.pop }[0]
    ask(port)
    stopping.pop
    @server.stop
    assert_empty @reported
  end

  def test_what_comes_after_the_answer_is_the_programs_mistake
    port = serve_reporting do |request|
      request.respond 200, 'once'
      request.respond 201
    end
    assert_equal 'once', get(port).body
    assert_equal [Hijack::StateError, 'respond 201: the request was answered already, by respond 200'],
                 within { @reported.pop }.first(2)
  end
end
