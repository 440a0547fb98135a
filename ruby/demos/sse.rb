# frozen_string_literal: true

# Server-Sent Events: a page that shows the time, pushed to everyone once a second.
#
#     /         the page
#     /sse      the events: held by a broadcaster, without an object or an event per client
#     /room     the page of the chat, whose room is here too: /chat, /events and /say, as in chat.rb
#     /healthz  "ok"
#
# However many clients are on /sse, this program makes one call a second for them.
require 'hijack_ffi'
require_relative 'chat_room'
require_relative 'common'

PAGE, CHAT_PAGE = %w[sse chat].map { |name| File.read(File.expand_path("../../bindings/pages/#{name}.html", __dir__)) }

def answer(request, room)
  case request.path
  when '/' then request.respond 200, PAGE, Demo::HTML
  when '/room' then request.respond 200, CHAT_PAGE, Demo::HTML
  when '/healthz' then request.respond 200, "ok\n", Demo::TEXT
  else
    room.answer(request) ||
      request.respond(404, "Only /, /sse, /room, /chat, /events, /say and /healthz are here.\n", Demo::TEXT)
  end
end

Demo.prepare
Hijack::Server.open do |server|
  clients = server.broadcaster
  server.hold '/sse', clients
  room = ChatRoom.new(server)
  Demo.start(server) { |request| answer(request, room) }

  count = 0
  Demo.every(1) { clients.publish Time.now.utc.strftime('%Y-%m-%dT%H:%M:%SZ'), id: count += 1 }
end
