# frozen_string_literal: true

require_relative 'support'

# Whatever waits can be interrupted, at once.
class InterruptTest < HijackTest
  AT_ONCE = 10 # seconds on a busy machine, for what would otherwise last for ever

  RUNNING = <<~RUBY
    require 'hijack_ffi'
    server = Hijack::Server.new(threads: 1)
    port = server.listen('127.0.0.1:0')
    $stdout.sync = true
    puts port
    begin
      server.run { |request| request.sse { |stream| stream.send_event 'x'; sleep } }
    rescue Interrupt, SignalException => e
      puts e.class, server.running?
    end
  RUBY

  def test_ctrl_c_ends_run
    ruby_process(RUNNING) do |pid, output|
      client = ask(output.gets.to_i)
      read_until(client, 'data: x')
      spent = seconds do
        Process.kill(:INT, pid)
        assert ended(pid).success?
      end
      assert_operator spent, :<, AT_ONCE
      assert_equal "Interrupt\nfalse\n", output.read
      assert_match(/\A(\n|0\r\n\r\n)*\z/, within { client.read })
    rescue Errno::ECONNRESET
      nil # just as good
    end
  end

  def test_ctrl_c_ends_a_program_that_waits_otherwise
    program = RUNNING.sub("puts port\n", '').sub('server.run {', 'server.start {')
                     .sub('sleep } }', "sleep } }\n  puts port\n  server.wait")
    ruby_process(program) do |pid, output|
      output.gets
      spent = seconds do
        Process.kill(:INT, pid)
        assert ended(pid).success?
      end
      assert_operator spent, :<, AT_ONCE
      assert_equal "Interrupt\ntrue\n", output.read
    end
  end

  def test_stop_in_a_trap
    program = RUNNING.sub("puts port\n", "trap('TERM') { server.stop }\nputs port\n")
                     .sub(/^end\n\z/, "end\nputs 'over'\n")
    ruby_process(program) do |pid, output|
      read_until(ask(output.gets.to_i), 'data: x')
      Process.kill(:TERM, pid)
      assert ended(pid).success?
      assert_equal "over\n", output.read
    end
  end

  def test_stop_in_a_trap_of_a_program_that_waits_otherwise
    program = <<~RUBY
      require 'hijack_ffi'
      server = Hijack::Server.new(threads: 1).start
      trap('TERM') { server.stop }
      $stdout.sync = true
      puts 'ready'
      server.wait
      puts 'over'
    RUBY
    ruby_process(program) do |pid, output|
      output.gets
      Process.kill(:TERM, pid)
      assert ended(pid).success?
      assert_equal "over\n", output.read
    end
  end

  # The library's threads run until the very end of the process, which must not take their code away before.
  def test_a_process_may_end_without_a_stop
    programs = ['Hijack::Server.new(threads: 2).start { |_| nil }',
                'Hijack::Server.new.listen "127.0.0.1:0"',
                'Async { $server = Hijack::Server.new.start { |_| nil }; exit }',
                '$handles = Hijack::Handles.new({}); Hijack::C.server_start($handles.server)']
    programs.each do |program|
      3.times do
        _, _, status = ruby("require 'hijack_ffi'; require 'async'\n#{program}", quiet: false)
        assert status.success?, "#{program}: #{status.inspect}"
      end
    end
  end

  def test_kill_ends_run_with_the_server_stopped
    server = new_server
    port = server.listen('127.0.0.1:0')
    runner = Thread.new { server.run { |request| request.respond 200 } }
    get(port)
    spent = seconds { within { runner.kill.join } }
    assert_operator spent, :<, AT_ONCE
    refute server.running?
    assert_raises(Errno::ECONNREFUSED) { TCPSocket.new('127.0.0.1', port) }
  end

  def test_raise_and_timeout_end_run
    server = new_server
    assert_raises(Timeout::Error) { Timeout.timeout(0.05) { server.run } }
    refute server.running?
    server = new_server
    runner = Thread.new { assert_raises(Interrupt) { server.run } }
    eventually('runs') { server.running? && runner.status == 'sleep' }
    runner.raise(Interrupt)
    within { runner.join }
    refute server.running?
  end

  # Each of these waits; killing, raising and a timeout end it, and leave the connection usable.
  def test_readers_and_writers
    server = new_server
    server.start
    reading = server.adopt((ours, reader_peer = tcp_pair).first)
    assert ours.closed?
    writing = server.adopt((_, writer_peer = pair).first)
    fill(writing)
    calls = { readpartial: -> { reading.readpartial(1) }, read: -> { reading.read }, gets: -> { reading.gets },
              eof: -> { reading.eof? }, wait_readable: -> { reading.wait_readable }, write: -> { writing << 'x' },
              wait_writable: -> { writing.write_nonblock('x', exception: false) && writing.wait_writable },
              wait: -> { server.wait } }
    calls.each do |name, call|
      assert_raises(Timeout::Error, name) { Timeout.timeout(0.03) { call.call } }
      interrupted(name, call) { |thread| thread.kill }
      interrupted(name, call) { |thread| thread.raise(Interrupt) }
    end
    reader_peer.write 'fine'
    assert_equal 'fine', within { reading.readpartial(10) }
    Thread.new { loop { writer_peer.readpartial(65_536) } rescue nil }
    within { writing << 'x' }
  end

  def interrupted(name, call)
    thread = Thread.new do
      call.call
    rescue Interrupt
      nil
    end
    eventually("#{name} waits") { thread.status == 'sleep' }
    yield thread
    assert within { thread.join(AT_ONCE) }, "#{name} goes on"
  end

  def test_a_killed_handler_aborts_its_stream
    workers = Thread::Queue.new
    port = serve(workers: 1) do |request|
      request.stream do |stream|
        stream << 'begun'
        workers << Thread.current
        sleep
      end
    end
    client = ask(port)
    read_until(client, 'begun')
    within { workers.pop }.kill
    text = begin
      within { client.read }
    rescue Errno::ECONNRESET
      ''
    end
    refute_includes text, "0\r\n\r\n"
  end

  # What the trap interrupts may hold what the poller needs to go on.
  def test_stop_in_a_trap_waits_for_nothing
    program = <<~RUBY
      require 'hijack_ffi'
      server = Hijack::Server.new(threads: 1).start
      socket = server.adopt(UNIXSocket.pair.tap { |_, theirs| $theirs = theirs }.first)
      trap('USR1') { server.stop }
      socket.instance_variable_get(:@lock).synchronize { Process.kill(:USR1, Process.pid) && sleep(0.05) }
      server.wait
      puts server.running?
    RUBY
    assert_equal "false\n", ruby(program).first
  end

  # The time is over while the stream is made: it comes into nobody's hands.
  def test_an_interrupt_while_a_stream_is_made_leaves_none_open
    calls = { block: ->(request) { request.sse { |stream| stream << 'x' } }, object: ->(request) { request.hijack } }
    calls.each do |name, call|
      raised = Thread::Queue.new
      port = serve do |request|
        held_up { Timeout.timeout(0.05) { call.call(request) } }
      rescue Timeout::Error => e
        raised << e
      end
      client = ask(port)
      assert within { raised.pop }, name
      eventually("#{name}: nothing open") { @server.stats.values_at(:streams, :sockets).sum.zero? }
      assert_raises(EOFError, Errno::ECONNRESET) { within { loop { client.readpartial(1000) } } }
    end
  end

  def test_an_interrupt_while_a_connection_is_adopted_leaves_none_open
    server = new_server
    server.start
    ours, theirs = pair
    @server = server
    assert_raises(Timeout::Error) { held_up { Timeout.timeout(0.05) { server.adopt(ours) } } }
    eventually('nothing open') { server.stats[:sockets].zero? }
    assert_raises(EOFError, Errno::ECONNRESET) { within { theirs.readpartial(1) } }
  end

  # Runs the block while another thread has the event queue, until this one has something to be interrupted with.
  def held_up
    mutex = @server.instance_variable_get(:@queue).instance_variable_get(:@mutex)
    held = Thread::Queue.new
    held_up = Thread.current
    holder = Thread.new do
      mutex.synchronize { (held << true) && eventually('an interrupt') { held_up.pending_interrupt? } }
    end
    held.pop
    yield
  ensure
    holder.join
  end

  def test_an_interrupt_while_a_broadcaster_is_made_leaves_none
    server = new_server
    handles = server.instance_variable_get(:@handles)
    maker = Thread.new do
      Thread.handle_interrupt(Interrupt => :never) do
        Thread.current.raise(Interrupt)
        Thread.handle_interrupt(Interrupt => :on_blocking) { server.broadcaster(overflow: Slow.new) }
      end
    rescue Interrupt
      nil
    end
    within { maker.join }
    assert_empty handles.broadcasters
  end

  # The value of an option that takes its time.
  class Slow
    def to_s
      sleep
    end
  end
end
