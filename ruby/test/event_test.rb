# frozen_string_literal: true

require_relative 'support'
require 'minitest/mock'

# Events of types that this package does not know, as a later version of the library may bring them: nothing happens to
# the objects they are about, and what follows still arrives.
class EventTest < HijackTest
  C = Hijack::C
  UNKNOWN = [0, C::KNOWN_EVENTS.max + 1, 2**31, 2**32 - 1].freeze
  KINDS = [Hijack::Socket, Hijack::Stream, Hijack::Request].freeze
  PAYLOAD = FFI::MemoryPointer.from_string('of a later version')

  def test_the_last_events_are_those_of_the_header
    assert_equal [C::EVENT_CLOSED, C::EVENT_DETACHED, C::EVENT_STOPPED], C::LAST_EVENTS
  end

  # WAKE is known, but never about a connection.
  [*UNKNOWN, C::EVENT_WAKE].each do |type|
    define_method(:"test_type_#{type} is skipped") { skips(type) }
  end

  private

  def skips(type)
    port, made, gate = serve_all_kinds
    raw, piecewise, whole = %w[/socket /stream /request].map { |path| ask(port, path) }
    socket, stream, request = within { Array.new(3) { made.pop }.sort_by { |object| KINDS.index(object.class) } }
    members = @server.broadcaster
    descriptor = spare_descriptor
    bringing(type, descriptor, socket, stream, request, members) do
      raw.write 'later'
      assert_equal 'later', within { socket.readpartial(5) }
    end
    refute socket.closed? || stream.closed? || !@server.running?
    assert descriptor.stat.pipe?
    members.add(socket).publish('to members')
    read_until(raw, 'to members')
    finish(stream, piecewise, gate, whole, socket, raw)
  end

  # Each object ends as it would have without the unknown events.
  def finish(stream, piecewise, gate, whole, socket, raw)
    stream << 'body'
    stream.close
    read_until(piecewise, "4\r\nbody\r\n0\r\n\r\n")
    gate << 'answer'
    read_until(whole, 'answer')
    raw.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii'))
    raw.close
    eventually('closed') { socket.closed? }
    assert_raises(Hijack::ResetError) { socket << 'x' }
  end

  # A server that makes a socket, a stream, or a request that waits at the gate, and tells of it.
  def serve_all_kinds
    made = Thread::Queue.new
    gate = Thread::Queue.new
    port = serve do |request|
      case request.target
      when '/socket' then made << request.hijack
      when '/stream' then made << request.stream
      else
        made << request
        request.respond(200, gate.pop)
      end
    end
    [port, made, gate]
  end

  # While the block runs, the library's next poll also brings an event of this type about each object and the server.
  def bringing(type, descriptor, *objects)
    handles = @server.instance_variable_get(:@handles)
    rows = objects.map do |object|
      [object.instance_variable_get(:@number) || 0, object.instance_variable_get(:@handle)]
    end
    rows << [0, handles.server]
    real = C.method(:queue_poll)
    poll = lambda do |out, queue, size, timeout|
      count = real.call(out, queue, size - rows.size, timeout)
      rows.each_with_index do |row, index|
        write_event(out + C::EVENT_SIZE * (count + index), *row, type, descriptor.fileno)
      end
      count + rows.size.tap { rows.clear }
    end
    C.stub(:queue_poll, poll) do
      C.queue_wake(handles.queue)
      eventually('the events are polled') { rows.empty? }
      yield
    end
  end

  def write_event(out, number, handle, type, status)
    out.put_uint64(C::EVENT_USER_DATA_AT, number)
    out.put_uint64(C::EVENT_HANDLE_AT, handle)
    out.put_uint64(C::EVENT_DATA_AT, PAYLOAD.address)
    out.put_uint64(C::EVENT_LEN_AT, PAYLOAD.size)
    out.put_uint32(C::EVENT_TYPE_AT, type)
    out.put_int32(C::EVENT_STATUS_AT, status)
  end

  # An open one, for the status: that of DETACHED is a descriptor, which whoever gets it may close.
  def spare_descriptor
    IO.pipe.tap { |ends| @clients.concat(ends) }.first
  end
end
