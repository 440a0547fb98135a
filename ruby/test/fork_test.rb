# frozen_string_literal: true

require_relative 'support'

class ForkTest < HijackTest
  # Runs the block in a forked child; it fails with what the child raised, and unless the child ended well by itself.
  def in_child
    reader, writer = IO.pipe
    pid = fork do
      reader.close
      # The child's own tests would run again at its exit, were they not given up.
      Minitest.class_variable_set(:@@installed_at_exit, true)
      begin
        yield
        GC.start
      rescue Exception => e
        writer.write e.full_message(highlight: false)
      end
      writer.close
      finalizers_then_leave
    end
    writer.close
    failure = within { reader.read }
    status = ended(pid)
    assert_equal '', failure
    assert status.success?, status.inspect
  ensure
    reader.close
  end

  # As a process ends, but for the at_exit blocks of the tests.
  def finalizers_then_leave
    ObjectSpace.each_object(Hijack::Handles) { |handles| handles.finalizer.call(0) }
    exit!(0)
  end

  def test_the_childs_calls_raise_and_the_parent_goes_on
    sockets = Thread::Queue.new
    server = new_server
    everybody = server.broadcaster
    server.hold '/held', everybody
    port = server.listen('127.0.0.1:0')
    server.start { |request| request.path == '/' ? request.respond(200, 'fine') : sockets << request.hijack }
    held = ask(port, '/held')
    client = ask(port, '/socket')
    socket = within { sockets.pop }
    eventually('member') { everybody.count == 1 }
    in_child do
      calls = [-> { socket << 'x' }, -> { socket.write_nonblock('x') }, -> { socket.read(1) },
               -> { socket.readpartial(1) }, -> { socket.gets }, -> { socket.eof? }, -> { socket.close },
               -> { socket.abort }, -> { socket.release }, -> { socket.detach }, -> { socket.close_write },
               -> { everybody << 'x' }, -> { everybody.count },
               -> { everybody.close }, -> { everybody.add(socket) }, -> { server.stop }, -> { server.wait },
               -> { server.drain }, -> { server.stats }, -> { server.adopt(UNIXSocket.pair.first) },
               -> { server.connect('127.0.0.1:1') }, -> { server.connect('localhost:1') },
               -> { server.addresses }, -> { server[:threads] }, -> { server.broadcaster }]
      calls.each_with_index { |call, index| assert_raises(Hijack::ForkError, "call #{index}", &call) }
      refute server.running?
      [socket, everybody, server].each(&:inspect)
      everybody.free
    end
    # The child has ended, its finalizers have run: nothing has happened here.
    assert_equal 1, everybody.publish('still here')
    read_until(held, 'still here')
    socket << 'me too'
    assert_equal 'me too', read_until(client, 'too')
    assert_equal 'fine', get(port).body
  end

  def test_the_childs_own_server_works
    port = serve { |request| request.respond 200, 'parent' }
    in_child do
      child = new_server
      own = child.listen('127.0.0.1:0')
      child.start { |request| request.respond 200, 'child' }
      assert_equal 'child', get(own).body
      child.stop
    end
    assert_equal 'parent', get(port).body
  end

  def test_leaving_blocks_in_the_child_raises_nothing
    stream_client = nil
    port = serve do |request|
      request.stream do |stream|
        stream << 'begun'
        pid = fork { exit!(0) }
        Process.wait(pid)
        stream << $?.exitstatus.to_s
      end
    end
    assert_equal 'begun0', get(port).body
    assert_nil stream_client
  end

  # A whole process, with its exit as it is: the child leaves the blocks of open, and runs all finalizers.
  def test_a_child_that_exits_inside_of_open
    program = <<~RUBY
      require 'hijack_ffi'
      require 'socket'
      Hijack::Server.open(threads: 1) do |server|
        port = server.listen('127.0.0.1:0')
        server.start { |request| request.respond 200, 'parent' }
        pid = fork
        exit 7 if pid.nil?
        Process.wait(pid)
        puts $?.exitstatus
        TCPSocket.open('127.0.0.1', port) do |client|
          client.write "GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"
          puts client.read.lines.last
        end
      end
    RUBY
    output, _, status = ruby(program)
    assert status.success?
    assert_equal "7\nparent\n", output
  end

  def test_fork_while_servers_start_and_stop
    churn = Thread.new do
      until Thread.current[:enough]
        server = Hijack::Server.new(threads: 1, workers: 1)
        server.start { |_| nil }
        server.stop
      end
    end
    20.times { in_child { Hijack::Server.open(threads: 1) { |server| assert server.start.running? } } }
    churn[:enough] = true
    within { churn.join }
  end
end
