# frozen_string_literal: true

# The program behind the proxies: server.rb ADDRESS [option=value]... It listens there and on a plain port of its own, for
# the test itself, prints both ports in a line, and ends with SIGTERM.
#
#     /events    SSE, held without an object
#     /publish   POST: the body goes to everyone at /events, /stream and /ws
#     /stream    a body in pieces; /stream?accel adds X-Accel-Buffering: no
#     /ws        a WebSocket that echoes
#     /facts     what of the request came through the proxy
#     /stats     the statistics
#
# TLS_CERT and TLS_KEY make it speak TLS.
require 'hijack_ffi'
require 'json'

address, *options = ARGV
server = Hijack::Server.new(**options.to_h { |it| it.split('=', 2) }.transform_keys(&:to_sym))
room = server.broadcaster
server.hold '/events', room, as: :sse
tls = ENV.key?('TLS_CERT') ? { cert: ENV['TLS_CERT'], key: ENV['TLS_KEY'] } : nil
ports = [server.listen(address, tls: tls) || 0, server.listen('127.0.0.1:0')]
trap(:TERM) { Thread.new { server.stop } }

server.start do |request|
  case request.path
  when '/publish'
    room << request.body.read
    request.respond 204
  when '/stream'
    headers = { 'content-type' => 'text/plain' }
    headers['x-accel-buffering'] = 'no' if request.query == 'accel'
    room << request.stream(200, headers)
  when '/ws'
    socket = request.websocket
    socket.on_message { |message| socket << message }
  when '/facts'
    facts = { 'version' => request.http_version, 'scheme' => request.scheme, 'peer' => request.peer.to_s }
    request.respond 200, JSON.generate(request.headers.to_h.merge(facts))
  when '/stats'
    request.respond 200, JSON.generate(server.stats)
  else
    request.respond 404
  end
end
$stdout.puts ports.join(' ')
$stdout.flush
server.wait
