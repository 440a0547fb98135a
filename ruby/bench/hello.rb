# frozen_string_literal: true

# Answers every request with "hello", by this gem or by Puma: what bindings/bench/requests.py compares.
#
#     ruby -Iruby/lib ruby/bench/hello.rb hijack | puma
#
# Both handle requests in five threads, which is what each of them does unless told otherwise.
THREADS = 5
BODY = 'hello'

def hijack
  require 'hijack_ffi'
  Hijack::Server.open(threads: 1, workers: THREADS) do |server|
    puts "http://127.0.0.1:#{server.listen('127.0.0.1:0')}/"
    server.run { |request| request.respond 200, BODY }
  end
end

# Puma's own server, without the command line around it. Before Puma 6 it needs a place for its events.
def puma
  require 'puma'
  require 'puma/server'
  require 'puma/events'
  app = ->(_env) { [200, { 'content-type' => 'text/plain' }, [BODY]] }
  events = Puma::Events.null if Puma::Events.respond_to?(:null)
  server = Puma::Server.new(app, events, min_threads: THREADS, max_threads: THREADS)
  server.add_tcp_listener '127.0.0.1', 0
  puts "http://127.0.0.1:#{server.connected_ports.first}/"
  server.run.join
end

$stdout.sync = true
case ARGV
when ['hijack'] then hijack
when ['puma'] then puma
else abort 'usage: hello.rb hijack | puma'
end
