# frozen_string_literal: true

# A chat: everyone sees what anyone writes, and who is there. The protocol is at the top of demos/chat.c.
#
#     /                   the page
#     /chat?name=NAME     a WebSocket, to read and to write
#     /events?name=NAME   the same to read, as Server-Sent Events, for those without WebSocket
#     /say?name=NAME      POST: they write with it; the body is the text, the answer 204
#     /healthz            "ok"
#
# With CHAT_LOG=FILE nothing is lost when it is killed and started again. The room is in chat_room.rb, which the sse
# demo has as well.
require 'hijack_ffi'
require_relative 'chat_room'

PAGE = File.read(File.expand_path('../../bindings/pages/chat.html', __dir__))

def answer(request, room)
  case request.path
  when '/' then request.respond 200, PAGE, Demo::HTML
  when '/healthz' then request.respond 200, "ok\n", Demo::TEXT
  else
    room.answer(request) ||
      request.respond(404, "Only /, /chat, /events, /say and /healthz are here.\n", Demo::TEXT)
  end
end

Demo.prepare
Hijack::Server.open do |server|
  room = ChatRoom.new(server)
  Demo.start(server) { |request| answer(request, room) }
  server.wait
end
