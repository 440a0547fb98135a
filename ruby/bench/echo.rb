# frozen_string_literal: true

# Echoes WebSocket messages on /echo, by this gem or by faye-websocket under Puma: what bindings/bench/echo.py compares.
#
#     ruby -Iruby/lib ruby/bench/echo.rb on_message | each | faye
#
# on_message calls a block with each message, as faye-websocket does; each has a thread for every WebSocket. Requests
# are handled in five threads, which is what this gem and Puma do unless told otherwise. Nobody sends pings of its own.
THREADS = 5

def on_message(request)
  websocket = request.websocket
  websocket.on_message { |message| websocket << message }
end

def each(request)
  websocket = request.websocket
  Thread.new do
    websocket.each { |message| websocket << message }
  rescue Hijack::Error
    nil # the client has left
  end
end

def hijack(&block)
  require 'hijack_ffi'
  Hijack::Server.open(threads: 1, workers: THREADS, websocket_ping_ms: 0) do |server|
    puts "http://127.0.0.1:#{server.listen('127.0.0.1:0')}/"
    server.run(&block)
  end
end

# Puma's own server, without the command line around it. Before Puma 6 it needs a place for its events.
def faye
  require 'faye/websocket'
  require 'puma'
  require 'puma/server'
  require 'puma/events'
  app = lambda do |env|
    websocket = Faye::WebSocket.new(env)
    websocket.on(:message) { |event| websocket.send(event.data) }
    websocket.rack_response
  end
  events = Puma::Events.null if Puma::Events.respond_to?(:null)
  server = Puma::Server.new(app, events, min_threads: THREADS, max_threads: THREADS)
  server.add_tcp_listener '127.0.0.1', 0
  puts "http://127.0.0.1:#{server.connected_ports.first}/"
  server.run.join
end

$stdout.sync = true
Process.setrlimit(:NOFILE, Process.getrlimit(:NOFILE).last)
case ARGV
when ['on_message'] then hijack { |request| on_message(request) }
when ['each'] then hijack { |request| each(request) }
when ['faye'] then faye
else abort 'usage: echo.rb on_message | each | faye'
end
