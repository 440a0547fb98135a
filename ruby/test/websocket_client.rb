# frozen_string_literal: true

require_relative 'support'

# A client of WebSockets, over any IO: it sends what it is told to, right or wrong, and answers nothing by itself.
class WebSocketClient
  Frame = Struct.new(:opcode, :data, :final)
  KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
  ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
  HEADERS = { 'Host' => 'test', 'Upgrade' => 'websocket', 'Connection' => 'Upgrade', 'Sec-WebSocket-Key' => KEY,
              'Sec-WebSocket-Version' => '13' }.freeze
  TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

  # What the server has answered, up to the empty line.
  attr_reader :head, :io

  # Headers that are nil are left out. behind: bytes right behind the handshake.
  def initialize(io, path = '/', headers = {}, method: 'GET', behind: '')
    @io = io
    @buffer = String.new
    lines = HEADERS.merge(headers).compact.map { |name, value| "#{name}: #{value}\r\n" }
    io.write("#{method} #{path} HTTP/1.1\r\n", *lines, "\r\n", behind)
    more until (at = @buffer.index("\r\n\r\n"))
    @head = @buffer.slice!(0, at + 4)
  end

  def self.frame(opcode, data, final: true)
    data = data.b
    size = data.bytesize
    length = size < 126 ? [size | 128].pack('C') : size < 65_536 ? [254, size].pack('Cn') : [255, size].pack('CQ>')
    mask = rand(1 << 32)
    [opcode | (final ? 128 : 0)].pack('C') + length + [mask].pack('N') + masked(data, mask)
  end

  def self.masked(data, mask)
    words = (data + "\0\0\0".b).unpack('N*')
    words.map! { |word| word ^ mask }
    words.pack('N*').byteslice(0, data.bytesize)
  end

  def status
    @head[%r{\AHTTP/1\.1 (\d+)}, 1].to_i
  end

  def send_frame(opcode, data = '', **options)
    @io.write(self.class.frame(opcode, data, **options))
  end

  def text(data)
    send_frame(TEXT, data)
  end

  def binary(data)
    send_frame(BINARY, data)
  end

  def close(code = 1000, reason = '')
    send_frame(CLOSE, [code].pack('n') + reason.b)
  end

  def next_frame
    first, length = take(2).unpack('CC')
    length = take(2).unpack1('n') if length == 126
    length = take(8).unpack1('Q>') if length == 127
    Frame.new(first & 15, take(length), first >= 128)
  end

  # The next message, in its encoding; a control frame as [:ping, data], [:pong, data] or [:close, code, reason].
  def receive
    frame = next_frame
    data = frame.data
    case frame.opcode
    when TEXT then data.force_encoding(Encoding::UTF_8)
    when BINARY then data
    when CLOSE then [:close, data.unpack1('n'), data.byteslice(2..)]
    when PING then [:ping, data]
    when PONG then [:pong, data]
    end
  end

  # Whatever follows, up to the end of the connection.
  def rest
    more while true
  rescue EOFError
    @buffer
  end

  private

  def take(size)
    more while @buffer.bytesize < size
    @buffer.slice!(0, size)
  end

  def more
    @buffer << @io.readpartial(1 << 20)
  end
end

# Servers and clients of WebSockets.
class WebSocketTestCase < HijackTest
  def open_socket(port, path = '/', headers = {}, **options)
    within { WebSocketClient.new(connect(port), path, headers, **options) }
  end

  # More than it takes before its client reads.
  def fill_socket(websocket)
    assert_equal FLOOD.bytesize, websocket.write_nonblock(FLOOD)
    assert_equal :wait_writable, websocket.write_nonblock('x', exception: false)
  end

  # A WebSocket and its client.
  def websocket(path = '/', headers = {}, **options)
    made = Thread::Queue.new
    port = serve(**options) { |request| made << request.websocket }
    client = open_socket(port, path, headers)
    [within { made.pop }, client]
  end

  def receive(client)
    within { client.receive }
  end

  def reset(client)
    client.io.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii'))
    client.io.close
  end
end
