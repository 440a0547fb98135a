# frozen_string_literal: true

# libhijack in Ruby: hijack_server.rb PORT. /sse and /ws are held; GET /publish?n=COUNT&bytes=BYTES publishes so many
# messages. TLS_CERT and TLS_KEY name a certificate and its key.
require 'hijack_ffi'

Process.setrlimit(:NOFILE, Process.getrlimit(:NOFILE).last)
cert, key = ENV.values_at('TLS_CERT', 'TLS_KEY')

server = Hijack::Server.new
clients = server.broadcaster
server.hold '/sse', clients, as: :sse
server.hold '/ws', clients, as: :websocket
server.listen "127.0.0.1:#{ARGV.fetch(0)}", tls: (cert && { cert: cert, key: key })
server.start do |request|
  count, bytes = request.query.scan(/\d+/).map(&:to_i)
  count.times { clients.publish("#{'x' * (bytes - 1)}!") }
  request.respond 200
end
server.wait
