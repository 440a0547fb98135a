# frozen_string_literal: true

# Rooms: who is in which, and messages that survive a reload. The protocol is at the top of demos/rooms.c.
#
#     GET    /                   the page
#     GET    /rooms/ROOM/USER    USER enters ROOM: Server-Sent Events, beginning with the messages that it keeps
#     POST   /rooms/ROOM/USER    USER says the body there
#     DELETE /rooms/ROOM/USER    removes USER from ROOM
#     GET    /healthz            "ok"
require 'json'
require 'hijack_ffi'
require_relative 'common'

# A room is a broadcaster, which keeps its last messages and counts its members. Everyone is in the lobby as well, by
# the same connection, and learns there who is in which room. No object of Ruby stands for a connection.
class Rooms
  ROOMS = 100
  CONNECTIONS = 100 # in one room
  MESSAGES = 100 # that a room keeps
  TEXT_BYTES = 1000
  PATH = %r{\A/rooms/([a-z0-9-]{1,32})/([A-Za-z0-9_-]{1,8})\z}
  BAD_PATH = 'Expected /rooms/ROOM/USER: ROOM is 1 to 32 of a-z, 0-9 and -, USER is 1 to 8 of A-Z, a-z, 0-9, - and _.'

  def initialize(server)
    @server = server
    server.route_set '/rooms/*', max_body_bytes: TEXT_BYTES
    @lobby = server.broadcaster(backlog_bytes: '1m') # a newcomer gets one event for each room
    @rooms = {} # by name, in the order of making
    @lock = Mutex.new
  end

  def answer(request)
    found = PATH.match(request.path)
    return refuse(request, 400, BAD_PATH) unless found

    name, user = found.captures
    @lock.synchronize do
      case request.request_method
      when 'GET' then enter(request, name, number(user))
      when 'POST' then find(request, name, user) { |room| say(request, room, user) }
      when 'DELETE' then find(request, name, user) { |room| remove(request, room, number(user)) }
      else refuse(request, 405, 'Enter with GET, speak with POST, remove with DELETE.', 'allow' => 'GET, POST, DELETE')
      end
    end
  end

  private

  # A user is a number. A program has it from its database; here it is the name itself, in 8 bytes.
  def number(name) = name.rjust(8, "\0").unpack1('Q>')

  def name_of(number) = [number].pack('Q>').delete("\0")

  # A browser that reconnects sends the id of the last event that it has; a page loaded anew has none.
  def enter(request, name, user)
    room = @rooms[name] || make(name)
    if room.nil?
      refuse request, 503, "There are #{ROOMS} rooms, and none is empty."
    elsif room.count >= CONNECTIONS
      refuse request, 503, "There are #{CONNECTIONS} connections in #{name}."
    else
      request.hold room, user: user, position: ('*' unless request.headers['last-event-id'])
    end
  end

  # nil: there are too many, and somebody is in each of them.
  def make(name)
    return if @rooms.size >= ROOMS && !free_one

    room = @rooms[name] = @server.broadcaster(history_messages: MESSAGES)
    room.on_join { |user| tell_lobby(name, user) }
    room.on_leave { tell_lobby(name) }
    room
  end

  def free_one
    name, room = @rooms.find { |_, it| it.count.zero? && it.members.empty? }
    room&.free
    @rooms.delete(name)
  end

  # A newcomer is told of all rooms, everyone else of the one that has changed.
  def tell_lobby(name, newcomer = nil)
    @lock.synchronize do
      if newcomer
        @lobby.join_user newcomer, from: @rooms[name]
        (@rooms.keys - [name]).each { |it| @lobby.publish_to newcomer, here(it) }
      end
      @lobby << here(name)
    end
  rescue Hijack::ShutdownError
    nil # the demo ends, and everyone leaves
  end

  # The room may have been freed a moment ago.
  def here(name)
    users = @rooms[name]&.members.to_h.keys
    JSON.generate(type: 'here', room: name, names: users.map { |user| name_of(user) })
  end

  # Yields the room if the user is there.
  def find(request, name, user)
    room = @rooms[name]
    room&.members&.key?(number(user)) ? yield(room) : refuse(request, 404, "#{user} is not in #{name}.")
  end

  def say(request, room, user)
    text = request.body.read.force_encoding(Encoding::UTF_8)
    return refuse(request, 400, 'Expected a text in UTF-8 that is not empty.') if text.empty? || !text.valid_encoding?

    room << JSON.generate(type: 'message', name: user, text: text, time: Time.now.to_i)
    request.respond 204
  end

  # Its connection stays in the lobby; with close_user it would end, and the browser would come back.
  def remove(request, room, user)
    room.remove_user user
    request.respond 204
  end

  def refuse(request, status, why, headers = {})
    request.respond status, "#{why}\n", { **headers, **Demo::TEXT }
  end
end

PAGE = File.read(File.expand_path('../../bindings/pages/rooms.html', __dir__))

def answer(request, rooms)
  case request.path
  when '/' then request.respond 200, PAGE, Demo::HTML
  when '/healthz' then request.respond 200, "ok\n", Demo::TEXT
  when %r{\A/rooms/} then rooms.answer(request)
  else request.respond 404, "Only /, /rooms/ROOM/USER and /healthz are here.\n", Demo::TEXT
  end
end

Demo.prepare
Hijack::Server.open do |server|
  rooms = Rooms.new(server)
  Demo.start(server) { |request| answer(request, rooms) }
  server.wait
end
