# frozen_string_literal: true

# The server that bindings/bench/many.py measures: one Ruby process that holds as many SSE connections as come, each of
# its THREADS loop threads in a descriptor table of its own.
#
#     many.rb THREADS
#
# Its first line is its address, the second one has the ids of the loop threads. Then it answers lines: "held" with
# the number of connections; "run" by sending BEEP to all, with the moment of that and the moment when the last one was
# written (CLOCK_MONOTONIC, nanoseconds).
require 'hijack_ffi'

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
end

# Threads with a descriptor table of their own have no standard output there.
def loops
  Dir.children('/proc/self/task').select do |thread|
    File.readlink("/proc/self/task/#{thread}/fd/1").include?('eventfd')
  end
end

$stdout.sync = true
# Nothing is sent by itself: the kernel drops packets of loopback when the probes of very many connections are due at
# the same moment (net.core.netdev_max_backlog), and takes the peers for dead.
quiet = { heartbeat_ms: 0, tcp_keepalive_ms: 0 }
Hijack::Server.open(threads: Integer(ARGV.fetch(0)), private_fds: 'on', **quiet) do |server|
  clients = server.broadcaster
  server.hold '/', clients, as: :sse
  port = server.listen('127.0.0.1:0')
  server.start
  puts "http://127.0.0.1:#{port}/", loops.join(' ')
  while (line = $stdin.gets)
    case line.chomp
    when 'held'
      puts "held #{server.stats[:held]}"
    when 'run'
      due = server.stats[:delivered] + server.stats[:held]
      began = now
      clients.publish('BEEP')
      sleep 0.01 until server.stats[:delivered] >= due
      puts "run #{began} #{now}"
    end
  end
end
