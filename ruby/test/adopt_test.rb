# frozen_string_literal: true

require_relative 'support'
require 'openssl'

# Connections of other servers.
class AdoptTest < HijackTest
  def setup
    super
    @server = new_server
    @server.start
  end

  def test_a_socket_of_a_unix_pair_and_of_tcp
    [pair, tcp_pair].each do |ours, theirs|
      socket = @server.adopt(ours)
      assert_instance_of Hijack::Socket, socket
      assert ours.closed?
      socket << 'to you'
      theirs.write 'to me'
      assert_equal 'to me', within { socket.readpartial(100) }
      socket.close
      assert_equal 'to you', within { theirs.read }
    end
  end

  def test_unread_bytes_come_first
    ours, theirs = pair
    theirs.write 'second'
    socket = @server.adopt(ours, unread: 'first ')
    theirs.close_write
    assert_equal 'first second', within { socket.read }
  end

  def test_detaching_gives_a_socket_of_its_kind
    ours, theirs = pair
    io, unread = within { @server.adopt(ours, unread: 'abc').detach }
    assert_instance_of UNIXSocket, io
    assert_equal 'abc', unread
    theirs.write 'x'
    assert_equal 'x', io.readpartial(1)
    io.close
  end

  def test_members_of_each_kind
    texts = { raw: 'm', stream: /\AHTTP.*\r\n\r\nm\z/m, sse: /\AHTTP.*event-stream.*x: y.*data: m\n\n\z/m,
              sse_body: "data: m\n\n" }
    texts.each do |kind, expected|
      ours, theirs = tcp_pair
      clients = @server.broadcaster
      assert_same clients, clients.adopt(ours, as: kind, headers: kind == :sse ? { 'x' => 'y' } : nil)
      assert ours.closed?
      assert_equal 1, clients.publish('m')
      clients.close
      text = within { theirs.read }
      expected.is_a?(Regexp) ? assert_match(expected, text) : assert_equal(expected, text)
    end
  end

  # What a web server like Puma does before it gives the connection away, so that its head goes out in one piece.
  def test_a_corked_connection_is_uncorked
    ours, theirs = tcp_pair
    ours.setsockopt(:TCP, :CORK, 1)
    ours.write 'head'
    socket = @server.adopt(ours)
    assert_equal 'head', within { theirs.readpartial(100) }
    back, = within { socket.detach }
    assert_equal 0, back.getsockopt(:TCP, :CORK).int
    back.close
  end

  def test_what_was_in_a_buffer_is_written_before
    ours, theirs = pair
    ours.sync = false
    ours.write 'buffered '
    @server.adopt(ours).puts 'then'
    assert_equal "buffered then\n", read_until(theirs, "\n")
  end

  def test_wrappers_of_a_plain_connection_are_fine
    ours, theirs = pair
    wrapper = Struct.new(:to_io) { def close = to_io.close }
    socket = @server.adopt(wrapper.new(ours))
    assert ours.closed?
    socket << 'x'
    assert_equal 'x', theirs.readpartial(1)
  end

  def test_tls_is_refused
    ours, theirs = pair
    error = assert_raises(Hijack::InvalidError) { @server.adopt(OpenSSL::SSL::SSLSocket.new(ours)) }
    assert_match(/cannot adopt a OpenSSL::SSL::SSLSocket: below TLS .* encrypted bytes/, error.message)
    puma_like = Struct.new(:to_io) { def peercert; end }
    assert_raises(Hijack::InvalidError) { @server.broadcaster.adopt(puma_like.new(ours)) }
    untouched(ours, theirs)
  end

  def test_what_is_no_connection_is_refused
    before = descriptors
    reader, writer = IO.pipe
    error = assert_raises(Hijack::NotSocketError) { @server.adopt(reader) }
    assert_kind_of Errno::ENOTSOCK, error
    assert_raises(Hijack::NotSocketError) { @server.broadcaster.adopt(writer) }
    TCPServer.open('127.0.0.1', 0) { |listener| assert_raises(Hijack::NotSocketError) { @server.adopt(listener) } }
    writer.write 'still mine'
    assert_equal 'still mine', reader.readpartial(99)
    [reader, writer].each(&:close)
    error = assert_raises(Hijack::InvalidError) { @server.adopt(reader) }
    assert_match(/cannot adopt .*closed stream/, error.message)
    assert_match(/neither an IO/, assert_raises(Hijack::InvalidError) { @server.adopt(5) }.message)
    assert_equal before, descriptors
  end

  def test_a_failure_leaves_the_connection_untouched
    ours, theirs = pair
    assert_raises(Hijack::StateError) { new_server.adopt(ours) }
    assert_raises(Hijack::StateError) { new_server.broadcaster.adopt(ours) }
    assert_raises(Hijack::HeaderError) { @server.broadcaster.adopt(ours, headers: { 'bad name' => 'x' }) }
    assert_raises(Hijack::InvalidError) { @server.broadcaster.adopt(ours, as: :other) }
    untouched(ours, theirs)
    @server.stop
    assert_raises(Hijack::ShutdownError) { @server.adopt(ours) }
    assert_raises(Hijack::ShutdownError) { Hijack::Server.open { |s| s.start.broadcaster.tap { s.stop } }.adopt(ours) }
    untouched(ours, theirs)
  end

  def untouched(ours, theirs)
    refute ours.closed?
    theirs.write 'x'
    assert_equal 'x', ours.readpartial(1)
  end

  def test_what_was_received_and_not_read_comes_first
    [pair, tcp_pair].each do |ours, theirs|
      theirs.write "line 1\nline 2\n"
      assert_equal "line 1\n", within { ours.gets }
      socket = @server.adopt(ours, unread: "\u00e9 ")
      theirs.write 'line 3'
      theirs.close_write
      assert_equal "\u00e9 line 2\nline 3".b, within { socket.read }
    end
  end

  def test_a_failure_leaves_what_was_received_and_not_read
    ours, theirs = pair
    theirs.write "line 1\nline 2\n"
    assert_equal "line 1\n", within { ours.gets }
    assert_raises(Hijack::StateError) { new_server.adopt(ours) }
    theirs.write 'line 3'
    theirs.close_write
    assert_equal "line 2\nline 3", within { ours.read }
  end
end
