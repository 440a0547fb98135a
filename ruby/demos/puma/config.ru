# frozen_string_literal: true

# Puma as it is, with libhijack beside it: Puma accepts and reads the requests, and gives live connections away. A
# connection that is held costs Puma neither a thread nor an object.
#
#     puma -C ruby/demos/puma/puma.rb ruby/demos/puma/config.ru
#
#     /         what Puma answers by itself
#     /sse      full hijack: libhijack answers the request, which joins the clients
#     /partial  partial hijack: Puma writes the head, libhijack the events
#     /ws       the same events for WebSockets, each as one message
#     /echo     a WebSocket that echoes; it has a thread of its own, and Puma's is free
require 'hijack_ffi'

server = Hijack::Server.new.start # listens nowhere: it serves what it is given
clients = server.broadcaster
at_exit { server.stop if server.running? } # not in a forked child, whose server it is not

Thread.new do
  1.step do |count|
    sleep 1
    clients.publish Time.now.utc.strftime('%Y-%m-%dT%H:%M:%SZ'), id: count
  rescue Hijack::ShutdownError
    break
  end
end

head = { 'content-type' => 'text/event-stream', 'cache-control' => 'no-cache', 'connection' => 'close' }

run(lambda do |env|
  case env['PATH_INFO']
  when '/'
    [200, { 'content-type' => 'text/plain' }, ["#{clients.count} clients\n"]]
  when '/sse'
    server.adopt_request(env).hold clients
    [-1, {}, []]
  when '/partial'
    [200, head.merge('rack.hijack' => ->(io) { clients.adopt io, as: :sse_body }), []]
  when '/ws'
    server.adopt_request(env).hold clients, as: :websocket
    [-1, {}, []]
  when '/echo'
    server.adopt_websocket(env) { |ws| ws.each { |message| ws << message } }
  else
    [404, { 'content-type' => 'text/plain' }, ["Only /, /sse, /partial, /ws and /echo are here.\n"]]
  end
rescue Hijack::ProtocolError # not the handshake of a WebSocket, or of another origin: libhijack has answered it
  [-1, {}, []]
end)
