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

  # Everyday life in front of a browser: no error, and no descriptor left.
  def test_a_client_that_has_reset_before
    room = @server.broadcaster
    before = descriptors
    ours, = reset_pair
    assert_same room, room.adopt(ours)
    assert ours.closed?
    assert_equal 0, room.count
    socket = @server.adopt(reset_pair.first)
    assert socket.closed?
    assert_instance_of Hijack::ResetError, socket.close_reason
    [-> { socket << 'x' }, -> { socket.read }, -> { socket.gets }, -> { socket.detach }].each do |call|
      assert_raises(Hijack::ResetError, &call)
    end
    socket.close
    assert_equal before, descriptors
  end

  def reset_pair
    ours, theirs = tcp_pair
    theirs.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii'))
    theirs.close
    eventually('the reset') do
      ours.remote_address && nil
    rescue Errno::ENOTCONN
      true
    end
    [ours, theirs]
  end

  def test_what_was_never_connected_is_not_a_client_that_left
    TCPServer.open('127.0.0.1', 0) { |it| assert_raises(Hijack::NotSocketError) { @server.broadcaster.adopt(it) } }
    datagrams = UDPSocket.new
    assert_raises(Hijack::NotSocketError) { @server.adopt(datagrams) }
    datagrams.close
  end

  # What a response of the other server would have, which is about another body or connection.
  def test_headers_of_another_server_go_into_the_head
    [:sse, :stream].each do |kind|
      ours, theirs = tcp_pair
      @server.broadcaster.adopt(ours, as: kind, headers: {
                                  'Content-Length' => '5', 'Content-Encoding' => 'gzip', 'Connection' => 'keep-alive',
                                  'Keep-Alive' => 'timeout=5', 'Transfer-Encoding' => 'chunked', 'Upgrade' => 'h2c',
                                  'Trailer' => 'x', 'Set-Cookie' => "a=1\nb=2", 'X-List' => %w[1 2], 'X-None' => nil,
                                  'Content-Type' => 'text/other', 'rack.hijack' => -> {}
                                })
      head = read_until(theirs, "\r\n\r\n")
      assert_equal ['set-cookie: a=1', 'set-cookie: b=2', 'x-list: 1', 'x-list: 2'],
                   head.scan(/^(?:set-|x-[ln]).*(?=\r)/)
      refute_match(/^(content-(length|encoding)|keep-alive|transfer-encoding|upgrade|trailer|rack)/i, head)
      assert_equal 1, head.scan(/^connection:/i).size
      assert_match(kind == :sse ? %r{^Content-Type: text/event-stream} : %r{^content-type: text/other}, head)
    end
    error = assert_raises(Hijack::InvalidError) { @server.broadcaster.adopt(pair.first, as: :raw, headers: { a: 1 }) }
    assert_match(/expected no headers/, error.message)
  end

  def test_racks_lint_wrapper
    require 'rack'
    require 'rack/lint'
    ours, theirs = pair
    @server.broadcaster.adopt(Rack::Lint::HijackWrapper.new(ours), as: :sse_body)
    assert ours.closed?
    assert_nil theirs.read_nonblock(1, exception: false).then { |it| it unless it == :wait_readable }
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
