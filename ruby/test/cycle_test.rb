# frozen_string_literal: true

require_relative 'support'

# Starting and stopping leaves nothing behind.
class CycleTest < HijackTest
  def cycle
    server = Hijack::Server.new(threads: 1, workers: 2)
    clients = server.broadcaster
    server.hold '/', clients
    port = server.listen('127.0.0.1:0')
    server.start { |request| request.respond 200 }
    yield port, clients if block_given?
  ensure
    server.stop
  end

  def settled
    GC.start
    [descriptors, tasks]
  end

  # A thread that has ended may stand in /proc for a moment, also in before.
  def back_to(before)
    eventually("at most as before: #{before}") { settled.zip(before).all? { |now, then_| now <= then_ } }
  end

  def test_a_thousand_cycles_leave_no_thread_and_no_descriptor
    cycle
    before = settled
    1000.times do |number|
      cycle do |port, clients|
        next unless (number % 50).zero? # with a connection held and one answered

        client = TCPSocket.new('127.0.0.1', port)
        client.write "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        eventually('member') { clients.count == 1 }
        get(port, '/other')
        client.close
      end
      @clients.clear.each(&:close)
    end
    back_to(before)
    assert_equal 0, ObjectSpace.each_object(Hijack::Stream).count
  end

  def test_run_that_is_killed_leaves_nothing
    within { Thread.new { Hijack::Server.new(threads: 1).run }.tap { |it| eventually('runs') { it.stop? } }.kill.join }
    before = settled
    50.times do
      thread = Thread.new { Hijack::Server.new(threads: 1, workers: 1).run { |_| nil } }
      eventually('runs') { thread.stop? }
      within { thread.kill.join }
    end
    back_to(before)
  end

  # The finalizer of servers that were never started, nor stopped.
  def test_forgotten_servers_are_freed
    before = settled
    make = lambda do
      200.times do
        server = Hijack::Server.new
        server.listen '127.0.0.1:0'
        server.broadcaster
      end
    end
    make.call
    eventually("as before: #{before}") do
      [1].each { |it| it.to_s * 1000 } # something else on the stack
      settled[0] <= before[0] + 4 # what the stack still refers to
    end
  end
end
