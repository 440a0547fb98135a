# frozen_string_literal: true

require_relative 'websocket_client'

# How fast messages flow: credit, back-pressure, and messages in pieces.
class WebSocketFlowTest < WebSocketTestCase
  def test_nothing_is_read_without_asking
    ws, client = websocket
    client.text('x')
    barrier(@server)
    assert_empty ws.instance_variable_get(:@pieces)
    assert_equal 'x', within { ws.read }
    client.text('y')
    ws << 'reply'
    refute ws.closed?
    assert_equal 'reply', receive(client)
    barrier(@server)
    assert_empty ws.instance_variable_get(:@pieces)
  end

  def test_write_waits_for_a_client_that_does_not_read
    ws, client = websocket
    messages = Array.new(40) { |number| (number + 33).chr * 500_000 }
    written = 0
    writer = Thread.new { messages.each { |message| written += ws.write(message) } }
    eventually('the writer waits') { written.positive? && writer.status == 'sleep' && writer.join(0.2).nil? }
    assert_operator written, :<, 20_000_000
    assert_operator @server.stats[:backlog_bytes], :<, 2_000_000, 'what waits unsent is bounded'
    got = messages.map { receive(client) }
    within { writer.join }
    assert_equal messages.map(&:hash), got.map(&:hash)
  end

  def test_write_nonblock_and_the_timeout_of_a_write
    ws, client = websocket
    assert_equal 0, ws.write_nonblock('')
    assert_equal '', receive(client)
    fill_socket(ws)
    assert_kind_of IO::WaitWritable, assert_raises(Hijack::WriteWouldBlockError) { ws.write_nonblock('x') }
    assert_nil ws.wait_writable(0.02)
    ws.timeout = 0.02
    %i[write send_text send_binary ping].each do |call|
      error = assert_raises(Hijack::WaitTimeoutError) { ws.public_send(call, 'x') }
      assert_equal "#{call}: not possible within 0.02 s", error.message
    end
    assert_equal FLOOD.hash, receive(client).hash
    assert_same ws, within { ws.wait_writable(nil) }
    ws.timeout = nil
    assert_equal 1, ws.write_nonblock('x')
    assert_equal 'x', receive(client)
  end

  def test_threads_that_send_do_not_mix
    ws, client = websocket(high_water_bytes: 4096, low_water_bytes: 1024)
    writers = %w[a b].map { |name| Thread.new { 500.times { |number| ws << "#{name}#{number} #{name * 3000}" } } }
    got = Array.new(1000) { receive(client) }
    writers.each(&:join)
    assert(got.all? { |text| text.match?(/\A([ab])\d+ \1{3000}\z/) })
    %w[a b].each do |name|
      assert_equal (0...500).to_a, got.filter_map { |text| text[/\A#{name}(\d+)/, 1]&.to_i }
    end
  end

  def test_a_program_that_does_not_read_is_not_flooded
    ws, client = websocket
    sender = Thread.new { 2000.times { |number| client.text("#{number} #{'x' * 5000}") } }
    assert_match(/\A0 /, within { ws.read })
    barrier(@server)
    assert_operator @server.stats[:bytes_in], :<, 200_000, 'the client waits in TCP'
    assert_equal (1...2000).to_a, within { Array.new(1999) { ws.read.to_i } }
    sender.join
  end

  def test_a_message_in_pieces_is_put_together
    text = "\u20ac" * 100_000
    ws, client = websocket(websocket_piece_bytes: 1000)
    sender = Thread.new do
      client.text(text)
      client.binary(text)
      client.text('')
    end
    assert_equal [text, text.b, ''], within { [ws.read, ws.read, ws.read] }
    sender.join
  end

  def test_messages_in_pieces_do_not_mix
    ws, client = websocket(websocket_piece_bytes: 64)
    messages = Array.new(3000) { |number| (number % 26 + 97).chr * (number * 7919 % 700) }
    sender = Thread.new { messages.each { |message| client.text(message) } }
    messages.each { |message| assert_equal message, within { ws.read } }
    sender.join
    sender = Thread.new { messages.each { |message| client.text(message) } }
    text = +''
    got = []
    within do
      ws.each_piece do |piece, last|
        text << piece
        next unless last

        got << text
        text = +''
        break if got.size == 3000
      end
    end
    assert_equal messages, got
    sender.join
  end

  def test_pieces
    ws, client = websocket(websocket_piece_bytes: 1000)
    client.text("\u20ac" * 1000)
    client.binary('xyz')
    client.close
    got = within { ws.each_piece.to_a }
    assert_equal [1000, 1000, 1000, 3], got.map { |piece, _| piece.bytesize }
    assert_equal [false, false, true, true], got.map(&:last)
    assert_equal [Encoding::UTF_8] * 3 + [Encoding::BINARY], got.map { |piece, _| piece.encoding }
    assert_equal "\u20ac" * 1000, got.first(3).map(&:first).join
  end

  def test_pieces_of_a_program_that_does_not_read
    ws, client = websocket(websocket_piece_bytes: 1000)
    sender = Thread.new { client.binary('x' * 1_000_000) }
    refute ws.closed?
    eventually('the first piece') { !ws.instance_variable_get(:@pieces).empty? }
    barrier(@server)
    assert_operator ws.instance_variable_get(:@pieces).sum { |bytes, _| bytes.bytesize }, :<=, 65_536
    assert_equal 1_000_000, within { ws.read }.bytesize
    sender.join
  end
end
