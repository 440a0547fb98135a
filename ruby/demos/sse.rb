# frozen_string_literal: true

# Server-Sent Events: a page that shows the time, pushed to everyone once a second.
#
#     /         the page
#     /sse      the events: held by a broadcaster, without an object or an event per client
#     /healthz  "ok"
#
# However many clients are on /sse, this program makes one call a second for them.
require 'hijack_ffi'
require_relative 'common'

PAGE = File.read(File.expand_path('../../bindings/pages/sse.html', __dir__))

def answer(request)
  case request.path
  when '/' then request.respond 200, PAGE, Demo::HTML
  when '/healthz' then request.respond 200, "ok\n", Demo::TEXT
  else request.respond 404, "Only /, /sse and /healthz are here.\n", Demo::TEXT
  end
end

Demo.prepare
Hijack::Server.open do |server|
  clients = server.broadcaster
  server.hold '/sse', clients
  Demo.start(server) { |request| answer(request) }

  count = 0
  Demo.every(1) { clients.publish Time.now.utc.strftime('%Y-%m-%dT%H:%M:%SZ'), id: count += 1 }
end
