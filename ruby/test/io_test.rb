# frozen_string_literal: true

require_relative 'support'
require 'json'
require 'logger'

# A socket beside one of Ruby: the same calls have the same results.
class IOTest < HijackTest
  def setup
    super
    @server = new_server
    @server.start
  end

  # What the block gives for a UNIXSocket of Ruby, and for one that was adopted.
  def both
    [false, true].map do |adopted|
      ours, theirs = pair
      theirs.write "line 1\nline 2\n\xFFrest"
      theirs.close_write
      begin
        yield adopted ? @server.adopt(ours) : ours, theirs
      rescue IOError, ArgumentError, FrozenError => e
        [e.class, e.message[/\A.*?(?=[:"]|\z)/]]
      end
    end
  end

  def assert_alike(&block)
    plain, adopted = both(&block)
    assert_equal plain, adopted
  end

  def test_reading
    [->(io) { [io.getbyte, io.getc, io.readline, io.readline(chomp: true), io.gets] },
     ->(io) { io.readlines }, ->(io) { io.readlines(chomp: true) },
     ->(io) { io.read && [io.getbyte, io.getc, io.readlines, io.gets] }, ->(io) { io.read && io.readline },
     ->(io) { io.each_line(0) { nil } }, ->(io) { io.readlines(0) }, ->(io) { io.sync = true },
     ->(io) { io.sync }].each { |call| assert_alike(&call) }
    assert_equal Encoding::BINARY, @server.adopt(pair.first).external_encoding
  end

  def test_buffers
    [->(io) { [+'old'].map { |old| [io.read(3, old), old] } }, ->(io) { [+'old'].map { |old| io.read(nil, old) } },
     ->(io) { io.readpartial(3, ''.freeze) }, ->(io) { io.read(3, ''.freeze) },
     ->(io) { io.read_nonblock(3, ''.freeze) },
     ->(io) { (io.read(3, ''.freeze) rescue nil) || io.read },
     ->(io) { [+'old'].map { |old| io.read && [io.read(1, old), old] } },
     ->(io) { [+'old'].map { |old| io.read && [(io.readpartial(1, old) rescue 'end'), old] } }].each do |call|
      assert_alike(&call)
    end
  end

  def test_writing
    { '<<' => ->(io) { io << 'a' << 1 << :b << nil }, 'print' => ->(io) { io.print 'a', 1, nil, :b },
      'printf' => ->(io) { io.printf '%03d %s', 7, 'x' },
      'puts' => ->(io) { io.puts(['a', ["b\n"]], nil, 1) || io.puts }, 'JSON' => ->(io) { JSON.dump({ a: 1 }, io) },
      'write' => ->(io) { io.write('a', 1, :b) },
      'Logger' => ->(io) { Logger.new(io, formatter: proc { |*it| it.last }).info('x') },
      'Marshal' => ->(io) { Marshal.dump([1], io) } }.each_value do |call|
      assert_alike do |io, theirs|
        call.call(io)
        io.close_write
        within { theirs.read }
      end
    end
  end

  def test_marshal_reads_from_it
    ours, theirs = pair
    Marshal.dump([1, :a, 'text'], theirs)
    assert_equal [1, :a, 'text'], within { Marshal.load(@server.adopt(ours)) }
  end

  def test_close_read
    assert_alike do |io, theirs|
      io.close_read
      io.write 'still'
      [theirs.readpartial(9), (io.read rescue $!.class), (io.gets rescue $!.class)]
    end
    ours, theirs = pair
    socket = @server.adopt(ours)
    reader = Thread.new { socket.read rescue $! }
    eventually('waiting') { reader.status == 'sleep' }
    socket.close_read
    assert_match(/close_read was called/, within { reader.value }.message)
    theirs.write 'thrown away'
    theirs.close
    assert socket.wait_closed(PATIENCE), 'the end of the peer is still noticed'
  end

  def test_the_other_end
    ours, theirs = tcp_pair
    expected = ours.remote_address.ip_unpack
    socket = @server.adopt(ours)
    assert_equal expected, socket.remote_address.ip_unpack
    assert_equal ['AF_INET', expected[1], '127.0.0.1', '127.0.0.1'], socket.peeraddr
    assert_equal theirs.local_address.inspect_sockaddr, socket.peer
    socket = @server.adopt(pair.first)
    assert_equal [true, ['AF_UNIX', ''], 'unix:'], [socket.remote_address.unix?, socket.peeraddr, socket.peer]
    sockets = Thread::Queue.new
    port = serve { |request| sockets << request.hijack }
    client = ask(port)
    assert_equal client.local_address.ip_unpack, within { sockets.pop }.remote_address.ip_unpack
  end

  # Libraries that look for it write as to any object; IO.select says why not.
  def test_to_io_says_why_not
    socket = @server.adopt(pair.first)
    refute_respond_to socket, :to_io
    error = assert_raises(Hijack::NotSupportedError) { IO.select([socket], nil, nil, 0) }
    assert_match(/the server's; wait with wait_readable/, error.message)
  end

  def test_streams_print_too
    port = serve do |request|
      request.stream do |stream|
        stream.puts 'a', 1
        stream.print 'b', 'c'
        stream.printf '%d', 5
        JSON.dump([1], stream)
      end
    end
    assert_equal "a\n1\nbc5[1]", get(port).body
  end
end
