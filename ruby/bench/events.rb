# frozen_string_literal: true

# What an event costs on its way into Ruby: polled in batches of 64, as the gem does, against one at a time.
#
#     ruby -Iruby/lib ruby/bench/events.rb [sockets [turns [rounds]]]
#
# The workload of tests/bench/events.c: in each turn, every one of some adopted socket pairs gets 32 bytes from its far
# end, so that each becomes a DATA event of its own. "From a full queue" times the polls alone, once all of them wait
# there: the C call, the fields, a String of the payload, and finding the object. "From end to end" times the writes,
# the library's read and the polls together.
require 'hijack_ffi'
require 'socket'

MESSAGE = 'thirty-two bytes of one message.'

COUNTED = [0] # an Array costs least

# Stands for a Socket: counts.
class Sink
  def initialize(*); end

  def on_data(_data)
    COUNTED[0] += 1
  end

  def on_closed(*); end
end

# Adopted socket pairs on a queue that is polled from here.
class Plant
  def initialize(sockets, batch)
    @handles = Hijack::Handles.new({})
    Hijack::Options.set('server', :threads, 1) { |*texts| Hijack::C.server_set(@handles.server, *texts) }
    Hijack::C.check(Hijack::C.server_start(@handles.server), 'start')
    @queue = Hijack::EventQueue.new(@handles.queue, nil, batch)
    @stats = FFI::MemoryPointer.new(:uint64, Hijack::C::STAT_COUNT)
    @far = Array.new(sockets) { adopt }
    @unlimited = (1 << 64) - 1
    @near.each { |handle| Hijack::C.socket_read(handle, @unlimited) }
  end

  # Seconds for one turn.
  def turn(full:)
    COUNTED[0] = 0
    start = now
    @far.each { |socket| socket.write(MESSAGE) }
    if full
      Thread.pass until queued >= @far.size
      start = now
    end
    @queue.dispatch while COUNTED[0] < @far.size
    now - start
  end

  def close
    Hijack::C.server_stop(@handles.server)
    @queue.close
    @near.each { |handle| Hijack::C.socket_free(handle) }
    @handles.free
    @far.each(&:close)
  end

  private

  def adopt
    ours, theirs = UNIXSocket.pair
    ours.autoclose = false
    (@sinks ||= []) << @queue.register(Sink, 'adopt') do |out| # an object that nobody keeps ends its connection
      result = Hijack::C.server_adopt(out, @handles.server, ours.fileno, '', 0)
      (@near ||= []) << out.read_uint64
      result
    end
    theirs
  end

  def queued
    Hijack::C.server_stats(@stats, Hijack::C::STAT_COUNT, @handles.server)
    @stats.get_uint64(Hijack::C::STAT_EVENTS_QUEUED * 8)
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end

def median(numbers)
  numbers.sort[numbers.size / 2]
end

sockets, turns, rounds = [500, 100, 5].each_with_index.map { |default, index| Integer(ARGV[index] || default) }
plants = [1, 64].map { |batch| Plant.new(sockets, batch) }
puts "Events in Ruby #{RUBY_VERSION}, ffi #{FFI::VERSION}: nanoseconds for a DATA event of #{MESSAGE.bytesize} bytes"
puts "#{sockets} sockets, #{turns} turns a round, median of #{rounds} rounds that took turns", ''
puts format('%-20s %12s %12s %8s', '', '1 a poll', '64 a poll', 'ratio')
[['from a full queue', true], ['from end to end', false]].each do |name, full|
  plants.each { |plant| plant.turn(full: full) }
  results = Array.new(rounds) do
    plants.map { |plant| Array.new(turns) { plant.turn(full: full) }.sum / turns / sockets * 1e9 }
  end
  one, many = results.transpose.map { |numbers| median(numbers) }
  puts format('%-20s %12.0f %12.0f %8.2f', name, one, many, one / many)
end
puts '', 'A plain callback design, from a foreign thread: about 31000 ns an event (ffi starts a thread for each).'
plants.each(&:close)
