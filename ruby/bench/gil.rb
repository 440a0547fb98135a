# frozen_string_literal: true

# Serves while Ruby cannot run: bindings/bench/gil.py starts this, says "burn", and looks at heartbeats and new
# connections meanwhile.
#
# "burn" holds the interpreter's lock for about 3 seconds: one power modulo, in C, which never looks for other threads.
# Then "burned SECONDS TICKS" says how often another thread, which wants to run every millisecond, ran in that time.
require 'hijack_ffi'

MODULUS = (1 << 4096) - 159

def seconds
  start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  yield
  Process.clock_gettime(Process::CLOCK_MONOTONIC) - start
end

def power(bits)
  3.pow((1 << bits) - 1, MODULUS)
end

Process.setrlimit(:NOFILE, Process.getrlimit(:NOFILE).last)
$stdout.sync = true
ticks = 0
Hijack::Server.open(heartbeat_ms: 100) do |server|
  server.hold '/sse', server.broadcaster
  puts "http://127.0.0.1:#{server.listen('127.0.0.1:0')}/"
  server.start

  trial = 20_000
  bits = (3.0 / [seconds { power(trial) }, seconds { power(trial) }].min * trial).to_i
  Thread.new do
    loop do
      sleep 0.001
      ticks += 1
    end
  end
  while (line = $stdin.gets)
    next unless line.chomp == 'burn'

    before = ticks
    spent = seconds { power(bits) }
    puts "burned #{format('%.3f', spent)} #{ticks - before}"
  end
end
