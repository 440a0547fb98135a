# frozen_string_literal: true

require_relative 'support'

# Requests that wait in a broadcaster for one response.
class LongPollTest < HijackTest
  LAST = { 'Connection' => 'close' }.freeze

  # A started server with this room at /poll; requests elsewhere are held by the handler.
  def poll_room(**options)
    room = nil
    @server = new_server
    room = @server.broadcaster(**options)
    @server.hold('/poll', room, as: :long_poll, headers: { 'x' => 'y' })
    port = @server.listen('127.0.0.1:0')
    @server.start { |request| request.hold(room, as: :long_poll, headers: { 'x-own' => request.path }) }
    [room, port]
  end

  def waiting(room, count)
    eventually("#{count} wait") { room.count == count }
  end

  def test_a_message_answers_all_who_wait
    room, port = poll_room(history_messages: 5, history_position: 'e-0')
    held, own = ask(port, '/poll', LAST), ask(port, '/own', LAST)
    waiting(room, 2)
    assert_equal 2, room.publish('hello')
    responses = [held, own].map { |client| read_response(client) }
    assert_equal [[200, 'hello', 'e-1']] * 2,
                 responses.map { |it| [it.status, it.body, it.headers['hijack-position']] }
    assert_equal ['y', '/own'], [responses[0].headers['x'], responses[1].headers['x-own']]
    missed = get(port, '/poll', { 'Last-Event-ID' => 'e-0' })
    assert_equal 'hello', missed.body
  end

  def test_the_programs_own_answer
    room, port = poll_room
    client = ask(port, '/poll', LAST)
    waiting(room, 1)
    assert_equal 1, room.respond(200, 'body', headers: { 'ETag' => '"1"' })
    response = read_response(client)
    assert_equal ['body', '"1"', nil], [response.body, *response.headers.values_at('etag', 'x')]
    waiting(room, 0)
    assert_equal 0, room.respond(204)
  end

  def test_204_after_the_deadline
    _, port = poll_room(long_poll_ms: 20)
    response = get(port, '/poll')
    assert_equal [204, '', 'y'], [response.status, response.body, response.headers['x']]
  end

  def test_errors_of_respond
    room, = poll_room
    error = assert_raises(Hijack::InvalidError) { room.respond(99) }
    assert_match(/respond to members: expected a status from 200 to 999, and no body with 204/, error.message)
    assert_raises(Hijack::InvalidError) { room.respond(204, 'x') }
    assert_raises(Hijack::InvalidError) { room.respond(200, 7) }
    assert_raises(Hijack::HeaderError) { room.respond(200, '', headers: { 'a b' => 'c' }) }
    assert_raises(Hijack::StateError) { new_server.broadcaster.respond }
  end
end
