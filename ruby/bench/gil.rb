# frozen_string_literal: true

# Serves while Ruby cannot run: bindings/bench/gil.py starts this, says "burn", and looks at heartbeats and new
# connections meanwhile; bindings/bench/returning.py has clients return.
#
# "burn" holds the interpreter's lock for about 3 seconds. It prints "burning", and then "burned SECONDS TICKS": how
# often another thread, which wants to run every millisecond, ran in that time. THREADS and HEARTBEAT_MS are options of
# the server (2 and 100 if they are not set), BEHIND is the number of messages in the history of /sse.
require 'hijack_ffi'
require_relative 'burning'

THREADS = Integer(ENV.fetch('THREADS', '2'))
HEARTBEAT_MS = Integer(ENV.fetch('HEARTBEAT_MS', '100'))
BEHIND = Integer(ENV.fetch('BEHIND', '0'))

Process.setrlimit(:NOFILE, Process.getrlimit(:NOFILE).last)
$stdout.sync = true
ticks = 0
Hijack::Server.open(threads: THREADS, heartbeat_ms: HEARTBEAT_MS) do |server|
  room = server.broadcaster
  room.set(history_messages: BEHIND, history_position: 'e-0') if BEHIND.positive?
  server.hold '/sse', room
  port = server.listen('127.0.0.1:0')
  server.start
  BEHIND.times { room << 'x' * 64 }
  bits = calibrate
  puts "http://127.0.0.1:#{port}/"
  ticker = nil
  while (line = $stdin.gets)
    next unless line.chomp == 'burn'

    ticker ||= Thread.new do
      loop do
        sleep 0.001
        ticks += 1
      end
    end
    sleep 0.1 until ticks.positive?
    puts 'burning'
    before = ticks
    spent = seconds { power(bits) }
    puts "burned #{format('%.3f', spent)} #{ticks - before}"
  end
end
