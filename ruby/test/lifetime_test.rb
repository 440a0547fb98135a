# frozen_string_literal: true

require_relative 'support'

# The end of requests, streams and sockets, as the program learns of it: the client that left above all.
class LifetimeTest < HijackTest
  # Yields each kind of object that a client of this server waits for, with its client.
  def each_kind(**options)
    made = Thread::Queue.new
    port = serve(workers: 3, **options) do |request|
      case request.path
      when '/request' then made << request
      when '/stream' then made << request.stream
      when '/sse' then made << request.sse
      else made << request.hijack
      end
      @gate.pop if request.path == '/request'
    end
    %w[/request /stream /sse /socket].each do |path|
      @gate = Thread::Queue.new
      client = ask(port, path)
      object = within { made.pop }
      refute object.closed?
      read_until(client, "\r\n\r\n") if object.is_a?(Hijack::Stream) # to close with something unread is to reset
      yield object, client
    ensure
      @gate.close
    end
  end

  def reset(client)
    client.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii'))
    client.close
  end

  def test_a_client_that_closes_is_noticed
    each_kind do |object, client|
      reasons = Thread::Queue.new
      2.times { object.on_close { |reason| reasons << [reason] } }
      refute within { object.wait_closed(0.01) }
      waiter = Thread.new { object.wait_closed }
      client.close
      assert within { waiter.value }
      assert object.closed?
      assert object.wait_closed(0)
      assert_nil object.close_reason
      2.times { assert_equal [nil], within { reasons.pop } }
      object.on_close { |reason| reasons << [:late, reason] }
      assert_equal [:late, nil], reasons.pop(true)
      assert_match(/client has ended/, object.inspect) unless object.is_a?(Hijack::Request)
    end
  end

  # Runs the block while on_close has found the object in the queue's table, and has not yet put it there for good.
  def within_on_close(object)
    table = table_of(object)
    found = table.method(:key?)
    table.define_singleton_method(:key?) { |key| found.call(key).tap { yield } }
    object.on_close { nil }
    table.singleton_class.remove_method(:key?)
  end

  def table_of(object)
    object.instance_variable_get(:@queue).instance_variable_get(:@objects)
  end

  def test_an_end_within_on_close_leaves_nothing_behind
    each_kind do |object, client|
      within_on_close(object) do
        reset(client)
        eventually('its last event') { object.close_reason }
      end
      refute_includes table_of(object).values, object
    end
    each_kind do |object, _|
      within_on_close(object) { object.is_a?(Hijack::Request) ? object.free : object.abort }
      refute_includes table_of(object).values, object
    end
  end

  # It is out of the table by then, and not yet marked as ended.
  def test_an_end_that_comes_half_within_on_close
    each_kind do |object, client|
      table = table_of(object)
      delete = table.method(:delete)
      out, kept = Array.new(2) { Thread::Queue.new }
      table.define_singleton_method(:delete) { |key| delete.call(key).tap { (out << key) && kept.pop } }
      within_on_close(object) do
        reset(client)
        within { out.pop }
      end
      assert_includes table.values, object
      kept.close
      eventually('gone') { !table.value?(object) }
    ensure
      table.singleton_class.remove_method(:delete)
    end
  end

  # After that one, no callback comes again.
  def test_callbacks_are_called_once
    count = 0
    each_kind do |object, client|
      object.on_close { count += 1 }
      client.close_write
      assert within { object.wait_closed }
      object.is_a?(Hijack::Request) ? object.respond(200) : object.abort
      barrier(@server)
    end
    assert_equal 4, eventually('four calls') { count if count >= 4 }
    @server.stop
    assert_equal 4, count
  end

  # A client that has only ended its sending side reads on.
  def test_what_is_written_after_the_clients_end_arrives
    each_kind do |object, client|
      client.close_write
      assert within { object.wait_closed(PATIENCE) }
      if object.is_a?(Hijack::Request)
        object.respond 200, 'answer'
      else
        object << 'answer'
        object.close
      end
      assert_match(/answer/, within { client.read })
      assert_nil object.close_reason
    end
  end

  def test_a_reset_is_the_reason
    each_kind do |object, client|
      reasons = Thread::Queue.new
      object.on_close { |reason| reasons << reason }
      reset(client)
      assert_kind_of Errno::ECONNRESET, within { reasons.pop }
      assert_instance_of Hijack::ResetError, object.close_reason
      assert_equal 'closed: the peer reset the connection', object.close_reason.message
    end
  end

  # A write to a client that has left, and not only ended its side, is answered with a reset.
  def test_the_first_write_to_a_client_that_left_ends_the_stream
    each_kind do |object, client|
      next unless object.is_a?(Hijack::Stream)

      client.close
      assert within { object.wait_closed(PATIENCE) }
      object << 'into the void'
      eventually('reset') { object.close_reason }
      assert_raises(Hijack::ResetError) { object << 'x' }
    end
  end

  def test_unread_bytes_still_come_after_the_clients_end
    each_kind do |object, client|
      next unless object.is_a?(Hijack::Socket)

      client.write "first\nlast\n"
      client.close_write
      assert within { object.wait_closed(PATIENCE) }
      assert_equal "first\n", within { object.gets }
      assert_equal "last\n", within { object.read }
    end
  end

  # One that has read before gets what follows ahead; its end is noticed when that is read, not before.
  def test_a_socket_that_has_read_ahead
    each_kind do |object, client|
      next unless object.is_a?(Hijack::Socket)

      client.write "first\nlast\n"
      assert_equal "first\n", within { object.gets }
      client.close_write
      3.times { barrier(@server) }
      refute object.closed?
      assert_equal "last\n", within { object.gets }
      assert within { object.wait_closed(PATIENCE) }
      assert_nil object.close_reason
    end
  end

  def test_the_programs_own_end
    each_kind do |object, client|
      reasons = Thread::Queue.new
      object.on_close { |reason| reasons << [reason] }
      object.is_a?(Hijack::Request) ? object.respond(200, 'x') : object.close
      assert object.closed?
      assert_equal [nil], within { reasons.pop }
      client.close
    end
    each_kind do |object, _|
      next if object.is_a?(Hijack::Request)

      object.abort
      assert_instance_of Hijack::AbortedError, object.close_reason
    end
  end

  def test_the_servers_end
    reasons = Thread::Queue.new
    objects = []
    each_kind { |object, _| objects << object.on_close { |reason| reasons << reason.class } }
    waiters = objects.map { |object| Thread.new { object.wait_closed } }
    @server.stop
    waiters.each { |waiter| assert within { waiter.value } }
    assert_equal Hijack::ShutdownError, objects.last.close_reason.class
    answered, *others = Array.new(4) { within { reasons.pop } }.sort_by(&:to_s).reverse
    assert_equal [[NilClass], [Hijack::ShutdownError]], [[answered], others.uniq]
  end

  def test_an_error_of_a_callback_is_reported_and_stops_no_other
    reported = Thread::Queue.new
    each_kind do |object, client|
      @server.on_error { |error, whose| reported << [error.message, whose] }
      calls = Thread::Queue.new
      object.on_close { raise 'no luck' }
      object.on_close { Thread.exit }
      client.close
      assert_equal ['no luck', object], within { reported.pop }
      object.on_close { calls << true }
      assert within { calls.pop }
    end
    assert_match(/on_close: a block/, assert_raises(Hijack::InvalidError) { each_kind { |it, _| it.on_close } }.message)
  end

  # A callback may wait, for a worker or for the server's end: neither waits for it.
  def test_a_callback_that_waits_keeps_nobody
    gate = Thread::Queue.new
    port = serve do |request|
      next request.respond(200, 'served') unless request.path == '/quiet'

      request.stream.on_close { gate.pop }
    end
    client = ask(port, '/quiet')
    read_until(client, "\r\n\r\n")
    client.close
    eventually('the callback waits') { gate.num_waiting == 1 }
    assert_equal 'served', get(port).body
    within { @server.stop }
    gate << true
  end

  # rails/rails #10989: handlers that wait for news, of clients that have left.
  def test_quiet_handlers_are_told
    port = serve(workers: 3) do |request|
      next request.respond(200, 'served') unless request.path == '/quiet'

      news = Thread::Queue.new
      request.sse do |stream|
        stream.on_close { news.close }
        stream.send_event 'hello'
        while (event = news.pop)
          stream.send_event event
        end
      end
    end
    3.times do
      client = ask(port, '/quiet')
      read_until(client, "data: hello\n\n")
      client.close
    end
    assert_equal 'served', within(10) { get(port).body }
  end

  # The client leaves first, the request becomes a stream then.
  def test_what_a_request_becomes_after_its_clients_end_is_told
    made = Thread::Queue.new
    port = serve do |request|
      request.wait_closed
      made << (request.path == '/stream' ? request.stream : request.hijack)
    end
    %w[/stream /socket].each do |path|
      client = ask(port, path)
      client.close_write
      object = within { made.pop }
      assert within { object.wait_closed(5) }, path
      object.close
      within { client.read }
    end
  end

  # Clients that leave while their request becomes a stream: none is missed.
  def test_no_client_is_missed
    made = Thread::Queue.new
    port = serve { |request| made << request.stream }
    100.times do |round|
      client = ask(port, '/')
      Thread.pass if round.odd?
      client.close_write
      stream = within { made.pop }
      assert within { stream.wait_closed(5) }, "round #{round}"
      stream.close
      client.close
    end
  end

  def test_timeouts_and_forks
    each_kind do |object, _|
      took = seconds { refute object.wait_closed(0.05) }
      assert_operator took, :>=, 0.05
      read, write = IO.pipe
      Process.wait(fork do
        object.wait_closed(1)
      rescue Hijack::ForkError => e
        write << e.class
      ensure
        exit!
      end)
      write.close
      assert_equal 'Hijack::ForkError', read.read
      read.close
    end
  end

  def test_finished_requests_are_forgotten
    queue = nil
    each_kind do |object, client|
      queue = @server.instance_variable_get(:@queue)
      client.close
      within { object.wait_closed }
      object.is_a?(Hijack::Request) ? object.respond(200) : object.abort
    end
    eventually('forgotten') { queue.size.zero? }
  end
end
