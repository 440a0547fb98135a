# frozen_string_literal: true

# Server-Sent Events under Puma, by this package or with a thread for each client: what bindings/bench/live.py compares.
#
#     live.rb hijack | live
#
# live is what ActionController::Live does, without Rails: each client keeps a thread of Puma, which waits on a queue.
# On stdin come "publish BYTES", one message to all clients, "collect", the garbage, and "burn", about three seconds in
# one call that holds the interpreter's lock; each is answered with a line. HEARTBEAT_MS: how often a silent client gets
# a comment, 0 for never.
require 'puma'
require 'puma/server'
require 'hijack_ffi'
require_relative 'burning'

HEARTBEAT_MS = Integer(ENV.fetch('HEARTBEAT_MS', '0'))
THREADS = Integer(ENV.fetch('THREADS', '20000'))
HEAD = { 'content-type' => 'text/event-stream', 'cache-control' => 'no-cache' }.freeze

# Hands connections over.
class Handed
  def initialize
    @server = Hijack::Server.new(heartbeat_ms: HEARTBEAT_MS).start
    @clients = @server.broadcaster
  end

  def call(env)
    @server.adopt_request(env).hold @clients
    [204, {}, []]
  end

  def publish(text) = @clients.publish(text)
end

# Keeps a thread for each.
class Threaded
  def initialize
    @queues = {}.compare_by_identity
    @lock = Mutex.new
    Thread.new { beat } if HEARTBEAT_MS.positive?
  end

  def call(_env)
    queue = Thread::Queue.new
    @lock.synchronize { @queues[queue] = true }
    [200, HEAD, Enumerator.new { |body| stream(queue, body) }]
  end

  def publish(text) = send_all("data: #{text}\n\n")

  private

  def stream(queue, body)
    body << ":\n\n" # Puma sends the head with the first piece
    loop { body << queue.pop }
  ensure
    @lock.synchronize { @queues.delete(queue) }
  end

  def send_all(text) = @lock.synchronize { @queues.each_key { |queue| queue << text } }

  def beat
    loop do
      sleep HEARTBEAT_MS / 1000.0
      send_all(":\n\n")
    end
  end
end

app = { 'hijack' => Handed, 'live' => Threaded }[ARGV.first]&.new or abort 'usage: live.rb hijack | live'
Process.setrlimit(:NOFILE, Process.getrlimit(:NOFILE).last)
$stdout.sync = true
log = defined?(Puma::LogWriter) ? Puma::LogWriter.null : Puma::Events.null
# Threads are made as clients come; a thread that hands its connection over is free again.
most = app.is_a?(Threaded) ? THREADS : 5
puma = Puma::Server.new(app, defined?(Puma::LogWriter) ? nil : log, min_threads: 1, max_threads: most, log_writer: log)
port = puma.add_tcp_listener('127.0.0.1', 0, true, 4096).addr[1]
puma.run
bits = calibrate
puts "http://127.0.0.1:#{port}/"

while (line = $stdin.gets)
  what, size = line.split
  case what
  when 'burn' then puts format('burned %.3f', seconds { power(bits) })
  when 'collect'
    GC.start
    puts 'collected'
  else
    app.publish('x' * Integer(size))
    puts 'published'
  end
end
