# frozen_string_literal: true

# Puma as it is, with libhijack beside it: Puma accepts and reads the requests, and gives live connections away. A
# connection that is held costs Puma neither a thread nor an object.
#
#     puma -C ruby/demos/puma/puma.rb ruby/demos/puma/config.ru
#     WORKERS=2 PRELOAD=1 puma -C ruby/demos/puma/puma.rb ruby/demos/puma/config.ru
#     rackup -s puma ruby/demos/puma/config.ru
#
#     /         what Puma answers by itself
#     /sse      full hijack: libhijack answers the request, which joins the clients
#     /partial  partial hijack: Puma writes the head, libhijack the events
#     /ws       the same events for WebSockets, each as one message
#     /echo     a WebSocket that echoes; it has a thread of its own, and Puma's is free
require 'hijack_ffi'

# Each process has a server and clients of its own, made when it first uses them: this file may run before Puma forks.
SERVER = Hijack.local do
  Thread.new do
    1.step do |count|
      sleep 1
      CLIENTS.publish Time.now.utc.strftime('%Y-%m-%dT%H:%M:%SZ'), id: count
    end
  end
end
CLIENTS = SERVER.broadcaster

HIJACKED = [204, {}, []].freeze # Puma ignores it, as the connection is not its own any more

# X-Accel-Buffering is for nginx in front of it. Rack 2's ContentLength, which rackup adds, would say that the body is
# empty; it leaves a response with a Transfer-Encoding alone, and Puma sends no header that is only a line break.
HEAD = { 'content-type' => 'text/event-stream', 'cache-control' => 'no-cache', 'x-accel-buffering' => 'no',
         'connection' => 'close', 'transfer-encoding' => "\n" }.freeze

run(lambda do |env|
  case env['PATH_INFO']
  when '/'
    [200, { 'content-type' => 'text/plain' }, ["#{CLIENTS.count} clients\n"]]
  when '/sse'
    SERVER.adopt_request(env).hold CLIENTS
    HIJACKED
  when '/partial'
    [200, HEAD.merge('rack.hijack' => ->(io) { CLIENTS.adopt io, as: :sse_body }), []]
  when '/ws'
    SERVER.adopt_request(env).hold CLIENTS, as: :websocket
    HIJACKED
  when '/echo'
    SERVER.adopt_websocket(env) { |ws| ws.each { |message| ws << message } }
  else
    [404, { 'content-type' => 'text/plain' }, ["Only /, /sse, /partial, /ws and /echo are here.\n"]]
  end
rescue Hijack::ProtocolError # not the handshake of a WebSocket, or of another origin: libhijack has answered it
  HIJACKED
end)
