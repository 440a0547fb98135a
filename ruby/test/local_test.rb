# frozen_string_literal: true

require_relative 'support'

# A server for each process.
class LocalTest < HijackTest
  PROGRAM = <<~RUBY
    require 'hijack_ffi'
    require 'socket'
    set_up = []
    SERVER = Hijack.local(threads: 1) { |server| set_up << server.running? }
    ROOM = SERVER.broadcaster(overflow: :latest)
    def talk(name)
      ours, theirs = UNIXSocket.pair
      ROOM.adopt ours, as: :raw
      ROOM << name
      puts [theirs.readpartial(99), ROOM.count, SERVER.running?].join(' ')
    end
    $stdout.sync = true
    2.times do |number|
      fork do
        talk "child \#{number}"
        2.times { fork { talk 'grandchild'; exit } && Process.wait }
        p set_up
      end
      Process.wait
    end
    talk 'parent'
    p set_up
  RUBY

  def test_it_is_made_when_a_process_first_uses_it
    output, = ruby(PROGRAM)
    assert_equal ['child 0 1 true', 'grandchild 1 true', 'grandchild 1 true', '[true]',
                  'child 1 1 true', 'grandchild 1 true', 'grandchild 1 true', '[true]', 'parent 1 true', '[true]'],
                 output.lines(chomp: true)
  end

  def test_the_same_options_are_the_same_server
    one = Hijack.local(threads: 1)
    assert one.__send__(:equal?, Hijack.local(threads: 1))
    refute one.__send__(:equal?, Hijack.local(threads: 2))
  end

  # What the program has made before the block failed is good afterwards.
  def test_a_block_that_fails_runs_again
    program = <<~RUBY
      require 'hijack_ffi'
      runs = []
      SERVER = Hijack.local(threads: 1) do |server|
        runs << server.running?
        ROOM << 'nobody'
        raise 'not yet' if runs.size < 3
      end
      ROOM = SERVER.broadcaster
      2.times { begin; ROOM << 'x'; rescue RuntimeError => e; puts e.message; end }
      2.times { p ROOM.publish('x') }
      p runs
      puts Thread.list.count { |thread| thread.name == 'hijack poller' }
    RUBY
    output, = ruby(program)
    assert_equal ['not yet', 'not yet', '0', '0', '[true, true, true]', '1'], output.lines(chomp: true)
  end

  # They would publish to, say, a table that the block has not filled yet. Neither they nor the block may wait for ever.
  def test_other_threads_wait_for_the_block
    program = <<~RUBY
      require 'hijack_ffi'
      events = Thread::Queue.new
      begun = Thread::Queue.new
      SERVER = Hijack.local(threads: 1) do |server|
        begun << true
        1000.times { sleep 0.005 if Thread.list.count { |it| it.name == 'other' && it.stop? } < 2 }
        ROOM << 'x'
        events << 'block'
      end
      ROOM = SERVER.broadcaster
      first = Thread.new { SERVER.stats && events << 'other' }
      begun.pop
      others = [-> { SERVER.stats }, -> { ROOM << 'y' }].map do |use|
        Thread.new { Thread.current.name = 'other'; use.call && events << 'other' }
      end
      [first, *others].each(&:join)
      puts Array.new(4) { events.pop }
    RUBY
    output, = ruby(program)
    assert_equal %w[block other other other], output.lines(chomp: true)
  end

  def test_another_block_for_the_same_options_is_refused
    make = -> { Hijack.local(threads: 3) { nil } }
    server = make.call
    assert server.__send__(:equal?, make.call), 'a file that is loaded again'
    assert server.__send__(:equal?, Hijack.local(threads: 3))
    error = assert_raises(Hijack::InvalidError) { Hijack.local(threads: 3) { nil } }
    assert_match(/\Alocal: .* block of .*local_test.rb:\d+ .* \(got another one, of .*local_test.rb:\d+\)/,
                 error.message)
    Hijack.local(threads: 4)
    error = assert_raises(Hijack::InvalidError) { Hijack.local(threads: 4) { nil } }
    assert_match(/no block/, error.message)
    assert_raises(Hijack::InvalidError) { Hijack.local(threads: 4, &:stats) }
  end

  # In a process of its own, as nothing stops a local server but its end.
  def test_it_serves_as_any_other
    program = <<~RUBY
      require 'hijack_ffi'
      require 'socket'
      server = Hijack.local
      racing = Array.new(8) { Thread.new { server.broadcaster.tap(&:count) } }.map(&:value)
      ours, theirs = UNIXSocket.pair
      env = { 'REQUEST_METHOD' => 'GET', 'PATH_INFO' => '/', 'SERVER_NAME' => 'x' }
      request = server.adopt_request(env, ours)
      request.hold racing.first
      racing.each { |room| room << 'seen' }
      puts theirs.readpartial(999)[/^data: .*/] || theirs.readpartial(999)[/^data: .*/]
      puts server.is_a?(Hijack::Server), racing.first.respond_to?(:publish), server.respond_to?(:nothing)
      puts server.stats[:held], (begin server.nothing; rescue NoMethodError; 'no such method'; end)
    RUBY
    output, = ruby(program)
    assert_equal ['data: seen', 'true', 'true', 'false', '1', 'no such method'], output.lines(chomp: true)
  end
end
