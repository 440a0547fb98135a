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
