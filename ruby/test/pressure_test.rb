# frozen_string_literal: true

require_relative 'support'

# Writing to clients that read slowly, or not at all.
class PressureTest < HijackTest
  # A stream whose client reads nothing.
  def stalled(**options)
    streams = Thread::Queue.new
    port = serve(**options) { |request| streams << request.stream }
    [within { ask(port).tap { |client| @client = client } && streams.pop }, @client]
  end

  def test_write_waits_for_a_client_that_does_not_read
    stream, client = stalled
    written = 0
    writer = Thread.new do
      200.times { |number| written += stream.write(number.chr * 100_000) }
      stream.close
    end
    level = eventually('the writer waits') do
      written if written.positive? && writer.status == 'sleep' && writer.join(0.2).nil?
    end
    assert_operator level, :<, 20_000_000
    assert_nil writer.join(0.05), 'it still waits'
    assert_operator @server.stats[:backlog_bytes], :<, 300_000, 'what waits unsent is bounded'
    body = unchunk(read_until_end(client).split("\r\n\r\n", 2).last)
    within { writer.join }
    assert_equal 20_000_000, body.bytesize
    assert_equal((0...200).map { |number| number.chr * 100_000 }.join.hash, body.hash)
  end

  def read_until_end(client)
    text = String.new
    within { text << client.readpartial(1_000_000) until text.end_with?("0\r\n\r\n") }
    text
  end

  # DRAINED comes from the poller's thread, often before the call that it answers has returned.
  def test_no_drained_event_is_missed
    port = serve(high_water_bytes: 1024, low_water_bytes: 512, workers: 8) do |request|
      request.stream do |stream|
        stream.timeout = PATIENCE
        3000.times { stream << 'x' * 700 }
      end
    end
    bodies = Array.new(8) { Thread.new { get(port).body } }.map(&:value)
    assert_equal [2_100_000] * 8, bodies.map(&:bytesize)
  end

  # Each is large enough for many pieces, and whole for the client.
  def test_a_write_is_not_torn_by_a_broadcaster
    room = nil
    port = serve do |request|
      request.stream do |stream|
        room << stream
        20.times { stream << 'a' * 500_000 }
      end
    end
    room = @server.broadcaster(backlog_bytes: '500m')
    done = false
    publisher = Thread.new { room.publish('b') && sleep(0.0005) until done }
    body = get(port).body
    done = true
    publisher.join
    runs = body.scan(/a+|b+/)
    assert(runs.grep(/a/).all? { |run| (run.size % 500_000).zero? }, runs.map(&:size).inspect)
    assert_equal 10_000_000, body.count('a')
    assert_includes body, 'b'
  end

  def test_it_becomes_a_member_after_a_write_that_is_on_its_way
    stream, client = stalled
    room = @server.broadcaster
    writer = Thread.new { stream << FLOOD << 'end' }
    eventually('the writer waits') { writer.status == 'sleep' && @server.stats[:backlog_bytes].positive? }
    member = Thread.new { room << stream }
    assert_nil member.join(0.1), 'it waits for the last piece'
    publisher = Thread.new { member.join && room.publish('after') && writer.join && stream.close }
    body = unchunk(read_until_end(client).split("\r\n\r\n", 2).last)
    within { [writer, publisher].each(&:join) }
    assert_equal FLOOD.bytesize, body.index(/end|after/)
    assert_equal %w[after end], body.scan(/end|after/).sort
  end

  def test_writes_of_several_threads_do_not_mix
    port = serve do |request|
      request.stream do |stream|
        %w[a b c].map { |letter| Thread.new { 5.times { stream << letter * 500_000 } } }.each(&:join)
      end
    end
    runs = get(port).body.scan(/a+|b+|c+/).map(&:size)
    assert(runs.all? { |size| (size % 500_000).zero? }, runs.inspect)
    assert_equal 7_500_000, runs.sum
  end

  def test_write_nonblock
    stream, client = stalled
    assert_equal 3, stream.write_nonblock('abc')
    assert_equal 0, stream.write_nonblock('')
    assert_same stream, stream.wait_writable
    fill(stream)
    error = assert_raises(IO::WaitWritable) { stream.write_nonblock('x') }
    assert_kind_of Hijack::WouldBlockError, error
    assert_equal Hijack::C::EAGAIN, error.code
    assert_nil stream.wait_writable(0.02)
    reader = Thread.new { read_until(client, "0\r\n\r\n") }
    within { assert_same stream, stream.wait_writable }
    assert_equal 1, stream.write_nonblock('x')
    stream.close
    within { reader.join }
  end

  def test_write_nonblock_does_not_wait_for_another_writer
    stream, = stalled
    fill(stream)
    writer = Thread.new { stream << 'y' * 100 rescue nil }
    eventually('waits') { writer.status == 'sleep' }
    assert_equal :wait_writable, within { stream.write_nonblock('x', exception: false) }
    stream.abort
    within { writer.join }
  end

  def test_a_wait_has_a_timeout
    stream, = stalled
    fill(stream)
    stream.timeout = 0.05
    error = assert_raises(Hijack::WaitTimeoutError) { stream << 'x' }
    assert_equal 'write: not possible within 0.05 s', error.message
    refute stream.closed?
  end

  def test_the_end_wakes_writers
    stream, client = stalled
    fill(stream)
    writer = Thread.new { assert_raises(Hijack::ResetError, Hijack::ClosedError) { stream << 'x' } }
    eventually('waits') { writer.status == 'sleep' }
    client.close
    within { writer.join }
  end

  def test_close_wakes_writers
    stream, = stalled
    fill(stream)
    writer = Thread.new { assert_raises(Hijack::ClosedError) { stream << 'x' } }
    eventually('waits') { writer.status == 'sleep' }
    stream.close
    within { writer.join }
  end

  def test_stop_wakes_writers_and_readers
    stream, = stalled
    fill(stream)
    socket = @server.adopt(pair.first)
    waiting = [Thread.new { assert_raises(Hijack::ShutdownError) { stream << 'x' } },
               Thread.new { assert_raises(Hijack::ShutdownError) { socket.read(1) } }]
    eventually('wait') { waiting.all? { |thread| thread.status == 'sleep' } }
    @server.stop
    within { waiting.each(&:join) }
  end

  # A call that waits has the String as it was, whatever another thread makes of it.
  def test_a_string_that_changes_during_the_wait
    %i[send_event comment write].each do |name|
      stream, client = stalled
      fill(stream)
      text = 'A' * 50_000
      writer = Thread.new { stream.public_send(name, text) && stream.close }
      eventually("#{name} waits") { writer.status == 'sleep' }
      text.replace('short')
      assert_equal 50_000, unchunk(read_until_end(client).split("\r\n\r\n", 2).last).count('A'), name
      within { writer.join }
    end
  end

  def test_wait_writable_waits_for_another_writer
    stream, client = stalled
    writer = Thread.new { stream << 'y' * 20_000_000 }
    eventually('waits') { writer.status == 'sleep' && writer.join(0.2).nil? && writer.status == 'sleep' }
    assert_equal :wait_writable, stream.write_nonblock('x', exception: false)
    assert_nil stream.wait_writable(0.02)
    reader = Thread.new { read_until(client, "0\r\n\r\n") }
    within { writer.join }
    assert_same stream, within { stream.wait_writable }
    stream.close
    within { reader.join }
  end

  def test_a_wait_behind_another_writer_has_a_timeout
    stream, = stalled
    fill(stream)
    writer = Thread.new { assert_raises(Hijack::ClosedError) { stream << 'y' } }
    eventually('waits') { writer.status == 'sleep' }
    stream.timeout = 0.05
    error = assert_raises(Hijack::WaitTimeoutError) { within { stream << 'x' } }
    assert_equal 'write: not possible within 0.05 s', error.message
    assert_raises(Hijack::WaitTimeoutError) { within { stream << 'x' } }
    stream.close
    within { writer.join }
  end

  def test_an_interrupted_writer_lets_the_next_one_write
    stream, client = stalled
    fill(stream)
    writer = Thread.new { stream << 'y' }
    eventually('waits') { writer.status == 'sleep' }
    within { writer.kill.join }
    reader = Thread.new { read_until(client, "0\r\n\r\n") }
    within { stream << 'x' }
    stream.close
    within { reader.join }
  end
end
