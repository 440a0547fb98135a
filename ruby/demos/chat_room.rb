# frozen_string_literal: true

require 'json'
require 'uri'
require_relative 'chat_log'
require_relative 'common'

# The chat's room, which the demos chat and sse have: /chat, /events and /say. The protocol is at the top of
# demos/chat.c.
#
# All members belong to two broadcasters, which alone send to them: one for who comes and goes, and that of chat_log.rb
# for the messages, which are kept. A member that does not read is closed by them, and nobody waits for it. No member
# has a thread. One lock makes each thing that happens in the room visible as a whole.
class ChatRoom
  TEXT_BYTES = 1000
  MEMBERS = 1000
  NAME = /\A(?! )\P{Cc}{1,32}(?<! )\z/

  # Who is there: a name, and the connection, which is a WebSocket or the Stream of /events.
  class Member
    MESSAGES = 20
    SECONDS = 5

    attr_reader :name, :connection

    def initialize(name, connection)
      @name = name
      @connection = connection
      @messages = 0
      @first = Demo.now # when the first of these messages came
    end

    def websocket?
      connection.is_a?(Hijack::WebSocket)
    end

    # Whether it was the demo's end that ended the connection.
    def shut_down?
      (websocket? ? connection.close_error : connection.close_reason).is_a?(Hijack::ShutdownError)
    end

    # Counts the message too.
    def may_say?
      now = Demo.now
      @messages = 0 if now - @first >= SECONDS
      @first = now if @messages.zero?
      (@messages += 1) <= MESSAGES
    end

    # Once, before the broadcasters send. id: of the event.
    def greet(json, id)
      websocket? ? connection << json : connection.send_event(json, id: id)
    end
  end

  def initialize(server)
    server[:websocket_message_bytes] = TEXT_BYTES
    server.route_set '/say', max_body_bytes: TEXT_BYTES
    @everyone = server.broadcaster(backlog_bytes: '1m') # a burst of messages behind the longest list of names
    @log = ChatLog.new(server)
    @members = {} # by name, in the order of joining
    @lock = Mutex.new
  end

  # Answers a request for one of the room's paths. False: it is for another path.
  def answer(request)
    case request.path
    when '/chat' then join_by_websocket(request)
    when '/events' then join_by_events(request)
    when '/say' then say(request)
    else return false
    end
    true
  end

  private

  def join_by_websocket(request)
    member = join(request) { request.websocket } or return
    member.connection.on_message { |text| take(member, text) }
    member.connection.on_close { leave(member) }
  rescue Hijack::NotSupportedError # many requests share a connection of HTTP/2
    request.respond 505, "A WebSocket needs HTTP/1.1 here; /events does not.\n", Demo::TEXT
  end

  def join_by_events(request)
    unless request.request_method == 'GET'
      return request.respond(405, "Read /events with GET.\n", { 'allow' => 'GET', **Demo::TEXT })
    end

    member = join(request) { request.sse } or return
    member.connection.on_close do
      member.connection.abort
      leave(member)
    end
  end

  # The block makes the connection. Returns nil where the client was answered instead.
  def join(request)
    @lock.synchronize do
      wanted = asked(request, 'name')
      if !wanted&.match?(NAME)
        request.respond 400, 'Expected ?name=NAME with 1 to 32 characters of UTF-8, no control character among them ' \
                             "and no space at either end.\n", Demo::TEXT
      elsif @members.size >= MEMBERS
        request.respond 503, "The room is full; try again later.\n", Demo::TEXT
      else
        enter(Member.new(free_name(wanted), yield), request.headers['last-event-id'] || asked(request, 'from'))
      end
    end
  end

  # The others hear of the newcomer, who gets the names and then what it has missed and all that is published.
  def enter(member, from)
    publish type: 'joined', name: member.name
    @members[member.name] = member
    member.greet JSON.generate(type: 'here', names: @members.keys), (@log.position if from.to_s.empty?)
    @everyone << member.connection
    @log.add member.connection, from
    member
  rescue Hijack::ClosedError, Hijack::ResetError
    member # has left already, which on_close will tell
  end

  # The NAME of "?name=NAME", for example; nil if it is not there or not UTF-8.
  def asked(request, key)
    value = request.query.to_s[/(?:\A|&)#{key}=([^&]*)/, 1] or return
    value = URI.decode_www_form_component(value)
    value if value.valid_encoding?
  rescue ArgumentError # a '%' without its digits
    nil
  end

  def free_name(wanted)
    return wanted unless @members.key?(wanted)

    (2..).lazy.map { |number| "#{wanted} #{number}" }.find { |name| !@members.key?(name) }
  end

  # The library has seen to UTF-8 and the length.
  def take(member, text)
    id, _, text = text[1..].partition(' ') if text.start_with?("\x1e")
    @lock.synchronize do
      if !member.may_say?
        member.connection.close 1008, 'too many messages'
      elsif text.encoding == Encoding::BINARY
        member.connection.close 1003, 'only text'
      elsif !ChatLog.id?(id)
        member.connection.close 1008, 'bad id'
      else
        publish_text member, text, id
      end
    end
  end

  def say(request)
    unless request.request_method == 'POST'
      return request.respond(405, "Write to /say with POST.\n", { 'allow' => 'POST', **Demo::TEXT })
    end

    text = request.body.read.force_encoding(Encoding::UTF_8)
    id = asked(request, 'id')
    @lock.synchronize do
      member = @members[asked(request, 'name')]
      if member.nil? || member.websocket?
        request.respond 403, "Nobody of this name reads /events; open /events?name=NAME first.\n", Demo::TEXT
      elsif !member.may_say?
        request.respond 429, "Too many messages: at most 20 within 5 seconds.\n", Demo::TEXT
      elsif !text.valid_encoding?
        request.respond 400, "The text must be UTF-8.\n", Demo::TEXT
      elsif !ChatLog.id?(id)
        request.respond 400, "Expected &id=ID with 1 to 64 letters, digits and '-'.\n", Demo::TEXT
      else
        publish_text member, text, id
        request.respond 204
      end
    end
  end

  # When the demo ends everyone leaves, and nobody is told.
  def leave(member)
    @lock.synchronize do
      @members.delete(member.name)
      publish type: 'left', name: member.name unless member.shut_down?
    end
  rescue Hijack::ShutdownError
    nil
  end

  def publish_text(member, text, id)
    time = Time.now.utc.strftime('%Y-%m-%dT%H:%M:%SZ')
    @log.publish JSON.generate({ type: 'message', name: member.name, text: text, time: time, id: id }.compact), id
  end

  def publish(message)
    @everyone << JSON.generate(message)
  end
end
