# frozen_string_literal: true

# WebSocket: messages both ways.
#
#     /      for a browser a page that talks to this program; as a WebSocket: says "Hello world!", then echoes
#     /echo  a WebSocket that only echoes
#
# A WebSocket has a thread of its own here, which is the simplest; docs/reference/ruby.md says what
# suits thousands. The next message is read when the echo of the last one was taken: a client that does not read is
# not read either.
require 'hijack_ffi'
require_relative 'common'

PAGE = File.read(File.expand_path('../../bindings/pages/websocket.html', __dir__))

# Echoes in a thread until the client closes, and closes then. A client that disconnects is normal.
def echo(websocket, greeting = nil)
  Thread.new do
    websocket << greeting if greeting
    websocket.each { |message| websocket << message }
  rescue Hijack::Error, SystemCallError
    nil
  ensure
    websocket.close
  end
end

def answer(request)
  case request.path
  when '/echo' then echo(request.websocket)
  when '/' then request.websocket? ? echo(request.websocket, 'Hello world!') : page(request)
  else request.respond 404, "Only / and /echo are here.\n", Demo::TEXT
  end
rescue Hijack::NotSupportedError # many requests share a connection of HTTP/2
  request.respond 505, "A WebSocket needs HTTP/1.1 here.\n", Demo::TEXT
end

def page(request)
  request.respond 200, PAGE, Demo::HTML
end

Demo.prepare
Hijack::Server.open(websocket_message_bytes: '64m') do |server|
  Demo.start(server) { |request| answer(request) }
  server.wait
end
