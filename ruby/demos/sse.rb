# frozen_string_literal: true

# Server-Sent Events: a page that shows the time, pushed to everyone once a second.
#
#     /         the page
#     /sse      the events: held by a broadcaster, without an object or an event per client
#     /room     the page of the chat, whose room is here too: /chat, /events and /say, as in chat.rb
#     /stats    how many clients /sse has, how long the last event took to all of them, and the memory, as JSON
#     /healthz  "ok"
#
# However many clients are on /sse, this program makes one call a second for them.
require 'hijack_ffi'
require_relative 'chat_room'
require_relative 'common'

PAGE, CHAT_PAGE = %w[sse chat].map { |name| File.read(File.expand_path("../../bindings/pages/#{name}.html", __dir__)) }

JSON_TYPE = { 'content-type' => 'application/json' }.freeze
LONGEST_RUN = 0.5 # seconds; a run that is not over by then is shown as it stands

def answer(request, room, stats)
  case request.path
  when '/' then request.respond 200, PAGE, Demo::HTML
  when '/room' then request.respond 200, CHAT_PAGE, Demo::HTML
  when '/stats' then request.respond 200, stats.call, JSON_TYPE
  when '/healthz' then request.respond 200, "ok\n", Demo::TEXT
  else
    room.answer(request) ||
      request.respond(404, "Only /, /sse, /room, /chat, /events, /say, /stats and /healthz are here.\n", Demo::TEXT)
  end
end

Demo.prepare
Hijack::Server.open do |server|
  clients = server.broadcaster(history_messages: 100) # for those that come back with Last-Event-ID
  server.hold '/sse', clients
  room = ChatRoom.new(server)
  took = 0.0
  stats = lambda do
    format("{\"clients\":%d,\"run_ms\":%.1f,\"resident_mib\":%.1f}\n", clients.count, took, Demo.resident_mib)
  end
  Demo.start(server) { |request| answer(request, room, stats) }

  count = 0
  Demo.every(1) do
    _, took = Demo.run(server, LONGEST_RUN) do
      clients.publish Time.now.utc.strftime('%Y-%m-%dT%H:%M:%SZ'), id: count += 1
    end
  end
end
