# frozen_string_literal: true

require_relative 'support'

class SocketTest < HijackTest
  # A hijacked socket and its peer.
  def hijacked(**options)
    sockets = Thread::Queue.new
    port = serve(**options) { |request| sockets << request.hijack }
    client = ask(port)
    [within { sockets.pop }, client]
  end

  def test_full_hijack_writes_nothing
    socket, client = hijacked
    socket << 'by ' << 'hand'
    assert_equal 4, socket.write(' ', 'too')
    socket.close
    assert_equal 'by hand too', within { client.read }
  end

  def test_partial_hijack_writes_the_head
    port = serve do |request|
      request.hijack_partial(101, 'Upgrade' => 'echo', 'Connection' => 'Upgrade') do |socket|
        socket.each_chunk { |bytes| socket << bytes }
      end
    end
    client = ask(port)
    client.write 'abc'
    client.close_write
    text = within { client.read }
    assert_match(/\AHTTP\/1\.1 101 .*\r\nUpgrade: echo\r\n/mi, text)
    assert_equal 'abc', text[-3..]
  end

  def test_what_followed_the_request_comes_first
    port = serve { |request| request.hijack { |socket| socket << socket.readpartial(100) } }
    client = connect(port)
    client.write "GET / HTTP/1.1\r\nHost: test\r\n\r\nleft over"
    assert_equal 'left over', within { client.read }
  end

  def test_readpartial
    socket, client = hijacked
    client.write 'hello'
    assert_equal 'he', socket.readpartial(2)
    buffer = +'old'
    assert_same buffer, socket.readpartial(100, buffer)
    assert_equal ['llo', Encoding::BINARY], [buffer, buffer.encoding]
    assert_equal '', socket.readpartial(0)
    client.close_write
    assert_raises(EOFError) { within { socket.readpartial(1) } }
    assert_raises(ArgumentError) { socket.read(-1) }
  end

  def test_read
    socket, client = hijacked
    client.write 'abcdef'
    assert_equal 'abcd', within { socket.read(4) }
    client.write 'g'
    client.close_write
    assert_equal 'efg', within { socket.read(10) }
    assert_nil socket.read(1)
    assert_equal '', socket.read
    assert_equal '', socket.read(0)
    assert socket.eof?
  end

  def test_read_takes_more_than_the_window
    socket, client = hijacked
    sent = Random.bytes(300_000)
    writer = Thread.new { client.write(sent).tap { client.close_write } }
    assert_equal sent.byteslice(0, 200_000), within { socket.read(200_000) }
    buffer = +''
    assert_same buffer, within { socket.read(nil, buffer) }
    assert_equal sent.byteslice(200_000..), buffer
    writer.join
  end

  def test_read_nonblock
    socket, client = hijacked
    error = assert_raises(IO::WaitReadable) { socket.read_nonblock(5) }
    assert_kind_of Hijack::WouldBlockError, error
    assert_equal :wait_readable, socket.read_nonblock(5, exception: false)
    assert_nil socket.wait_readable(0.02)
    client.write 'data'
    assert_same socket, within { socket.wait_readable }
    assert_equal 'data', socket.read_nonblock(5)
    client.close_write
    within { socket.wait_readable }
    assert_nil socket.read_nonblock(5, exception: false)
    assert_raises(EOFError) { socket.read_nonblock(5) }
  end

  def test_gets
    socket, client = hijacked
    client.write "one\ntwo\r\nthree;four\n\n\nlong line\nrest"
    client.close_write
    lines = within do
      [socket.gets, socket.gets("\r\n", chomp: true), socket.gets(';'), socket.gets(''), socket.gets("\n", chomp: true),
       socket.gets(4), socket.gets("\n", 2), socket.gets(nil), socket.gets]
    end
    assert_equal ["one\n", 'two', 'three;', "four\n\n", '', 'long', ' l', "ine\nrest", nil], lines
  end

  def test_gets_of_a_separator_in_two_pieces_and_a_line_beyond_the_window
    socket, client = hijacked
    line = "#{'x' * 200_000}\r"
    writer = Thread.new do
      client.write line
      eventually('reading') { socket.instance_variable_get(:@buffer).bytesize == line.bytesize }
      client.write "\nnext"
      client.close_write
    end
    assert_equal "#{line}\n", within { socket.gets("\r\n") }
    assert_equal 'next', within { socket.gets("\r\n") }
    writer.join
  end

  def test_each_line_and_enumerable
    socket, client = hijacked
    client.write "b\na\nc"
    client.close_write
    assert_equal ["b\n", "a\n"], within { socket.first(2) }
    assert_equal ['c'], within { socket.each_line(chomp: true).to_a }
    assert_equal [], socket.each_chunk.to_a
  end

  def test_puts
    socket, client = hijacked
    assert_nil socket.puts('a', "b\n", %w[c d], 5)
    socket.puts
    socket.close
    assert_equal "a\nb\nc\nd\n5\n\n", within { client.read }
  end

  def test_half_close_in_both_directions
    socket, client = hijacked
    socket << 'last'
    assert_nil socket.close_write
    assert_nil socket.close_write
    assert_equal 'last', within { client.read }
    assert_raises(Hijack::ClosedError) { socket << 'more' }
    client.write 'still here'
    client.close_write
    assert_equal 'still here', within { socket.read }
    eventually('closed') { socket.closed? }
    assert_raises(EOFError) { socket.readpartial(1) }
  end

  def test_the_peers_half_close_leaves_writing
    socket, client = hijacked
    client.close_write
    assert within { socket.eof? }
    assert socket.closed?
    assert_nil socket.close_reason
    socket << 'answer'
    socket.close
    assert_equal 'answer', within { client.read }
  end

  def test_use_after_close
    socket, client = hijacked
    client.write "unread\n"
    within { socket.wait_readable }
    2.times { assert_nil socket.close }
    assert socket.closed?
    calls = [-> { socket << 'x' }, -> { socket.readpartial(1) }, -> { socket.read }, -> { socket.gets },
             -> { socket.eof? }, -> { socket.read_nonblock(1) }, -> { socket.detach },
             -> { socket.write_nonblock('x') }]
    calls.each { |call| assert_raises(Hijack::ClosedError, &call) }
    assert_nil socket.close_write
    assert_equal '#<Hijack::Socket HIJACK_ECLOSED>', socket.inspect
    assert_equal 0, socket.instance_variable_get(:@queue).size, 'it wants no events any more'
  end

  def test_close_wakes_the_reader
    socket, = hijacked
    reader = Thread.new { assert_raises(Hijack::ClosedError) { socket.readpartial(1) } }
    eventually('waits') { reader.status == 'sleep' }
    socket.close
    within { reader.join }
  end

  # Also where CLOSED comes before the call that closes has returned.
  def test_an_own_close_is_not_the_end_of_the_peer
    socket, = hijacked
    came = Thread::Queue.new
    reader = Thread.new { assert_raises(Hijack::ClosedError) { socket.readpartial(1) } }
    reader.report_on_exception = false
    eventually('waits') { reader.status == 'sleep' }
    socket.define_singleton_method(:on_closed) { |status| (came << status) && super(status) }
    socket.define_singleton_method(:orderly_close) do
      super()
      came.pop
      reader.join(0.2) rescue nil # a moment in which it could end; what it raises counts below
    end
    within { socket.close }
    within { reader.join }
  end

  def test_abort_resets
    socket, client = hijacked
    socket.abort
    assert_raises(Errno::ECONNRESET) { within { client.readpartial(1) } }
    assert_raises(Hijack::AbortedError) { socket << 'x' }
  end

  def test_a_reset_comes_after_what_was_read
    socket, client = hijacked
    client.write 'before'
    within { socket.wait_readable }
    client.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii'))
    client.close
    eventually('closed') { socket.closed? }
    assert_equal 'before', socket.readpartial(100)
    assert_raises(Hijack::ResetError) { socket.readpartial(1) }
    assert_raises(Hijack::ResetError) { socket << 'x' }
  end

  def test_nothing_is_read_without_asking
    socket, client = hijacked
    client.write 'x' * 1000
    barrier(@server)
    assert_equal 0, socket.instance_variable_get(:@buffer).bytesize
    assert_equal 1000, within { socket.read(1000) }.bytesize
  end

  def test_a_program_that_does_not_read_is_not_flooded
    socket, client = hijacked
    socket.read_nonblock(1, exception: false)
    writer = Thread.new { client.write('x' * 8_000_000) }
    within { socket.read(10) }
    eventually('the window is full') { @server.stats[:bytes_in] >= 65_536 }
    barrier(@server)
    assert_operator @server.stats[:bytes_in], :<=, 65_536 + 32_768
    assert_operator socket.instance_variable_get(:@buffer).bytesize, :<=, 65_536
    assert_equal 7_999_990, within { socket.read(7_999_990) }.bytesize
    writer.join
  end

  def test_timeout
    socket, client = hijacked
    assert_nil socket.timeout
    socket.timeout = 0.05
    error = nil
    spent = seconds { error = assert_raises(Hijack::WaitTimeoutError) { socket.gets } }
    assert_operator spent, :>=, 0.04
    assert_kind_of IOError, error
    assert_kind_of Hijack::Error, error
    assert_equal 'read: not possible within 0.05 s', error.message
    client.write "part of a line, "
    assert_raises(Hijack::WaitTimeoutError) { socket.gets }
    client.write "and the rest\n"
    socket.timeout = nil
    assert_equal "part of a line, and the rest\n", within { socket.gets }
  end

  def test_detach
    socket, client = hijacked
    socket << 'from the library, '
    client.write 'unread'
    within { socket.wait_readable }
    io, unread = within { socket.detach }
    assert_instance_of TCPSocket, io
    assert_equal 'unread', unread
    assert socket.closed?
    assert_raises(Hijack::ClosedError) { socket << 'x' }
    io.write 'from the program'
    client.write 'more'
    assert_equal 'more', within { io.readpartial(10) }
    io.close
    assert_equal 'from the library, from the program', within { client.read }
    assert_equal 1, @server.stats[:detached]
  end

  def test_detach_of_one_that_has_gone
    socket, client = hijacked
    socket << 'x'
    read_until(client, 'x')
    client.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii'))
    client.close
    eventually('closed') { socket.closed? }
    assert_raises(Hijack::ResetError) { socket.detach }
  end

  # What was written does not go out, so the descriptor does not come.
  def test_detach_that_is_interrupted_leaves_no_descriptor
    socket, client = hijacked
    before = descriptors
    fill(socket)
    socket.timeout = 0.05
    assert_raises(Hijack::WaitTimeoutError) { socket.detach }
    assert socket.closed?
    assert_raises(Errno::ECONNRESET, EOFError) { within { loop { client.readpartial(65_536) } } }
    eventually('descriptor closed') { descriptors < before }
  end

  def test_lengths_for_which_nothing_need_come
    socket, = hijacked
    within do
      assert_equal '', socket.read(0)
      assert_equal '', socket.readpartial(0)
      assert_equal '', socket.read_nonblock(0)
      assert_equal '', socket.gets(0)
      assert_raises(ArgumentError) { socket.read(-1) }
      assert_raises(ArgumentError) { socket.readpartial(-1) }
      assert_raises(ArgumentError) { socket.read_nonblock(-1, exception: false) }
    end
    socket.close
    assert_raises(Hijack::ClosedError) { socket.read(0) }
    assert_raises(Hijack::ClosedError) { socket.readpartial(0) }
  end

  # As an IO does, which the same bytes are given to.
  def test_paragraphs
    ["\n\n\nab\n\ncd", "ab\nc\n\n\n\n\ncd\n", "\n\n", "\n"].each do |text|
      [{}, { chomp: true }].each do |options|
        socket, client = hijacked
        reader, writer = IO.pipe
        [client, writer].each { |io| io.write(text) }
        client.close_write
        writer.close
        assert_equal reader.each_line('', **options).to_a, within { socket.each_line('', **options).to_a }, text.inspect
        reader.close
      end
    end
  end

  def test_a_negative_limit_is_none
    socket, client = hijacked
    client.write "ab\ncd"
    assert_equal "ab\n", within { socket.gets(-1) }
  end
end
