# frozen_string_literal: true

require_relative 'support'
require 'rack'
require 'rack/lint'

# What a request brings behind its head: whole, and in pieces.
class BodyTest < HijackTest
  TEXT = "one\ntwo\n\nthree\nfour"

  # Yields a body with this text, of each sort, that comes with a length or in chunks.
  def each_body(text = TEXT, &block)
    %i[whole pieces].product([true, false]).each do |sort, chunked|
      result = Thread::Queue.new
      port = serve(request_body: sort) do |request|
        result << block.call(request.body, sort)
        request.respond 200
      rescue Minitest::Assertion, StandardError => e
        result << e
      end
      client = ask(port, '/', framing(text, chunked), method: 'POST')
      pieces_of(text, chunked).each { |piece| client.write piece }
      found = within { result.pop }
      raise found if found.is_a?(Exception)
    end
  end

  def framing(text, chunked)
    chunked ? { 'Transfer-Encoding' => 'chunked' } : { 'Content-Length' => text.bytesize }
  end

  def pieces_of(text, chunked)
    pieces = text.scan(/.{1,5}/mn)
    chunked ? pieces.map { |piece| chunk(piece) } + [chunk('')] : pieces
  end

  def chunk(piece)
    "#{piece.bytesize.to_s(16)}\r\n#{piece}\r\n"
  end

  def test_read
    each_body do |body, _|
      assert_equal 'one', body.read(3)
      buffer = +'old'
      assert_same buffer, body.read(2, buffer)
      assert_equal "\nt", buffer
      assert_equal '', body.read(0)
      assert_equal TEXT[5..], body.read
      assert_equal ['', nil, nil], [body.read, body.read(1), body.gets]
      assert body.eof?
      assert_raises(EOFError) { body.readpartial(1) }
      assert_equal Encoding::BINARY, body.read.encoding
    end
  end

  def test_lines_and_pieces
    each_body do |body, _|
      assert_equal "one\n", body.gets
      assert_equal "two\n\n", body.gets('')
      assert_equal ["three\n", 'four'], body.each.to_a
    end
    each_body { |body, _| assert_equal TEXT, body.each_chunk.to_a.join }
    each_body { |body, _| assert_equal %w[one two], body.each_line(chomp: true).first(2) }
    each_body do |body, _|
      found = +''
      found << body.readpartial(4) until body.eof?
      assert_equal TEXT, found
    end
    each_body { |body, _| StringIO.new.then { |out| assert_equal TEXT.bytesize, IO.copy_stream(body, out) } }
  end

  def test_is_empty_where_there_is_none
    %i[whole pieces].each do |sort|
      port = serve(request_body: sort) do |request|
        request.respond 200, request.body.read.inspect + request.trailers.to_h.to_s
      end
      assert_equal '""{}', get(port).body
    end
  end

  def test_rewind_is_for_whole_ones
    each_body do |body, sort|
      first = body.read
      if sort == :whole
        assert_equal 0, body.rewind
        assert_equal first, body.read
      else
        error = assert_raises(Hijack::NotSupportedError) { body.rewind }
        assert_match(/rewind: a body in pieces is read once/, error.message)
      end
    end
  end

  def test_is_a_rack_input
    each_body do |body, _|
      input = Rack::Lint::InputWrapper.new(body)
      assert_equal 'one', input.read(3)
      assert_equal "\n", input.gets
      rest = []
      input.each { |piece| rest << piece }
      assert_equal TEXT[4..], rest.join
      assert_nil input.read(1)
    end
  end

  def test_trailers_follow_a_body_in_pieces
    found = Thread::Queue.new
    port = serve(request_body: :pieces) do |request|
      found << [request.trailers.to_h, request.body.read, request.trailers.to_h, request.trailers['X-Sum']]
    end
    client = ask(port, '/', { 'Transfer-Encoding' => 'chunked' }, method: 'POST')
    client.write "3\r\nabc\r\n0\r\nX-Sum: 12\r\nx-b:c\r\n\r\n"
    assert_equal [{}, 'abc', { 'x-sum' => '12', 'x-b' => 'c' }, '12'], within { found.pop }
  end

  # A route's own, where the server reads whole ones.
  def test_of_a_path
    server = new_server
    server.route_set('/upload/*', request_body: :pieces)
    port = server.listen('127.0.0.1:0')
    server.start { |request| request.respond 200, [request.body.inspect, request.body.read].inspect }
    assert_equal '["#<Hijack::Body in pieces>", "abc"]', get(port, '/upload/x', method: 'POST', body: 'abc').body
    assert_equal '["#<Hijack::Body 3 bytes>", "abc"]', get(port, '/x', method: 'POST', body: 'abc').body
  end

  def test_the_client_is_asked_to_continue_when_the_body_is_read
    gate = Thread::Queue.new
    port = serve(request_body: :pieces) do |request|
      gate.pop
      request.respond 200, request.body.read
    end
    client = ask(port, '/', { 'Content-Length' => 3, 'Expect' => '100-continue', 'Connection' => 'close' },
                 method: 'POST')
    eventually('the request') { gate.num_waiting == 1 }
    barrier(@server)
    assert_equal :wait_readable, client.read_nonblock(1, exception: false)
    gate << true
    assert_match(/\AHTTP\/1\.1 100 /, read_until(client, "\r\n\r\n"))
    client.write 'abc'
    assert_equal 'abc', read_response(client).body
  end

  def test_a_client_waits_for_a_program_that_does_not_read
    gate = Thread::Queue.new
    port = serve(request_body: :pieces, max_body_bytes: '1024m') do |request|
      request.body.read(1)
      gate.pop
      size = 1
      request.body.each_chunk { |bytes| size += bytes.bytesize }
      request.respond 200, size.to_s
    end
    total = 64 << 20
    client = ask(port, '/', { 'Content-Length' => total, 'Connection' => 'close' }, method: 'POST')
    sent = flood(client, total)
    assert_operator sent, :<, total / 2
    gate << true
    sent += within { client.write('x' * [1 << 20, total - sent].min) } while sent < total
    assert_equal total.to_s, read_response(client).body
  end

  # Writes as long as the peer's side takes it; the peer does not read.
  def flood(client, total)
    sent = 0
    quiet = 0
    while quiet < 3 && sent < total
      result = client.write_nonblock('x' * [65_536, total - sent].min, exception: false)
      result.is_a?(Integer) ? sent += result : quiet += 1
      3.times { barrier(@server) } if result == :wait_writable
    end
    sent
  end

  # In a process of its own, whose memory holds nothing else. What Ruby's collector lets lie varies, so that it runs
  # every 16 MiB.
  def test_an_upload_may_be_larger_than_memory
    total = 256 << 20
    output, = ruby(<<~RUBY, quiet: true)
      require 'hijack_ffi'
      require 'socket'
      resident = -> { File.read('/proc/self/status')[/VmRSS:\\s+(\\d+)/, 1].to_i }
      server = Hijack::Server.new(threads: 1, request_body: :pieces, max_body_bytes: '1024m')
      port = server.listen '127.0.0.1:0'
      server.start do |request|
        size = 0
        while (bytes = request.body.read(16_384))
          size += bytes.bytesize
          GC.start if (size % (16 << 20)).zero?
        end
        request.respond 200, size.to_s
      end
      before = resident.call
      client = TCPSocket.new('127.0.0.1', port)
      client.write "POST / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Length: #{total}\\r\\n\\r\\n"
      piece = 'x' * 65_536
      (#{total} / piece.bytesize).times { client.write piece }
      puts client.read.lines.last, resident.call - before
      server.stop
    RUBY
    size, grown = output.lines.map(&:to_i)
    assert_equal total, size
    assert_operator grown, :<, 131_072, 'KiB'
  end

  def test_may_be_read_after_the_answer
    rest = Thread::Queue.new
    port = serve(request_body: :pieces) do |request|
      case request.path
      when '/stream' then request.stream { |stream| request.body.each_chunk { |bytes| stream << bytes.upcase } }
      else
        request.respond 202, 'taken'
        rest << request.body.read
      end
    end
    client = ask(port, '/stream', { 'Content-Length' => 6, 'Connection' => 'close' }, method: 'POST')
    client.write 'abc'
    read_until(client, "ABC\r\n")
    client.write 'def'
    assert_match(/DEF\r\n0\r\n\r\n\z/, within { client.read })
    client = ask(port, '/respond', { 'Content-Length' => 6 }, method: 'POST')
    read_until(client, 'taken')
    client.write 'abcdef'
    assert_equal 'abcdef', within { rest.pop }
    assert_equal 0, eventually('nothing is kept') { tables.zero? && 0 }
  end

  # One that nobody reads is thrown away when the handler ends, and the connection goes on.
  def test_unread_ones_are_thrown_away
    found = Thread::Queue.new
    port = serve(request_body: :pieces) do |request|
      found << request
      request.respond 200, request.path
    end
    client = ask(port, '/one', { 'Content-Length' => 6 }, method: 'POST')
    read_until(client, '/one')
    request = within { found.pop }
    eventually('freed') { request.closed? }
    client.write 'abcdef', "GET /two HTTP/1.1\r\nHost: test\r\n\r\n"
    read_until(client, '/two')
    error = assert_raises(Hijack::ClosedError) { request.body.read }
    assert_match(/\Aread: /, error.message)
  end

  # Where no handler reads them: nothing waits for them, and the connection goes on.
  def test_those_of_requests_without_a_handler_are_thrown_away
    busy = Thread::Queue.new
    servers = { '404' => [{}, nil], '503' => [{ workers: 1, capacity: 1 }, ->(_) { busy.pop }] }
    servers.each do |status, (options, handler)|
      port = serve(request_body: :pieces, **options, &handler)
      ask(port)
      eventually('a handler at work') { busy.num_waiting == 1 } if handler
      ask(port) # waits
      eventually('requests') { @server.stats[:requests] == 2 }
      client = ask(port, '/', { 'Content-Length' => 6 }, method: 'POST')
      read_until(client, " #{status} ")
      eventually('an answer') { tables == (status == '404' ? 0 : 2) }
      client.write 'abcdef', "GET /two HTTP/1.1\r\nHost: test\r\n\r\n"
      read_until(client, " #{status} ")
    end
    busy.close
  end

  def test_hijacking_comes_after_the_end
    port = serve(request_body: :pieces) do |request|
      begin
        request.hijack
      rescue Hijack::StateError => e
        message = e.message
      end
      body = request.body.read
      request.hijack { |socket| socket << message << body }
    end
    assert_match(/\Ahijack: .*abc\z/, within { ask(port, '/', method: 'POST', body: 'abc').read })
  end

  def test_a_client_that_breaks_off_is_told
    found = Thread::Queue.new
    port = serve(request_body: :pieces) do |request|
      request.on_close { |reason| found << reason.class }
      found << request.body.read(3)
      request.body.read
    rescue IOError, SystemCallError => e
      found << e.class
      raise
    end
    [false, true].each do |reset|
      client = ask(port, '/', { 'Content-Length' => 6 }, method: 'POST')
      client.write 'abc'
      assert_equal 'abc', within { found.pop }
      client.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii')) if reset
      client.close
      kinds = Array.new(2) { within { found.pop } }
      expected = reset ? [Hijack::ResetError] * 2 : [Hijack::ClosedError, NilClass]
      assert_equal expected.map(&:name), kinds.map(&:name).sort
    end
  end

  def test_a_chunked_body_that_is_wrong_ends_it
    found = Thread::Queue.new
    port = serve(request_body: :pieces) do |request|
      request.body.read
      request.respond 200
    rescue Hijack::Error => e
      found << e.class
      raise
    end
    @server.on_error { |error, _| found << error }
    client = ask(port, '/', { 'Transfer-Encoding' => 'chunked' }, method: 'POST')
    client.write "3\r\nabc\r\n0x5\r\n"
    assert_equal Hijack::ProtocolError, within { found.pop }
    assert_match(%r{\AHTTP/1\.1 400 }, within { client.read })
    assert_equal 200, get(port, '/next').status
    assert_empty found, 'it is the client that was wrong, not the program'
  end

  def test_a_wait_has_its_limit
    found = Thread::Queue.new
    port = serve(request_body: :pieces) do |request|
      request.body.timeout = 0.05
      begin
        request.body.read
      rescue Hijack::WaitTimeoutError => e
        found << e.message
      end
      request.body.timeout = nil
      request.respond 200, request.body.read
    end
    client = ask(port, '/', { 'Content-Length' => 6, 'Connection' => 'close' }, method: 'POST')
    client.write 'abc'
    assert_equal 'read: not possible within 0.05 s', within { found.pop }
    client.write 'def'
    assert_equal 'abcdef', read_response(client).body
  end

  # Each with its own wait, and the others serve on.
  def test_under_a_fiber_scheduler
    require 'async'
    reasons = []
    Async do
      server = Hijack::Server.new(threads: 1, request_body: :pieces)
      port = server.listen('127.0.0.1:0')
      server.start do |request|
        request.on_close do |reason|
          request.on_close { |again| reasons << reason << again << request.wait_closed(0) }
        end
        request.respond 200, request.body.read
      end
      clients = Array.new(3) { ask(port, '/', { 'Content-Length' => 6, 'Connection' => 'close' }, method: 'POST') }
      clients.each { |client| client.write 'abc' }
      clients.reverse_each { |client| client.write 'def' }
      clients.each { |client| assert_equal 'abcdef', read_response(client).body }
      assert_equal [nil, nil, true] * 3, reasons
      server.stop
    end.wait
  end

  def test_each_request_reads_where_it_likes
    server = new_server(request_body: :pieces)
    port = server.listen('127.0.0.1:0')
    client = Thread.new { get(port, method: 'POST', body: 'abc').body }
    server.each_request do |request|
      Thread.new { request.respond 200, request.body.read }.join
      break
    end
    assert_equal 'abc', within { client.value }
  end

  def tables
    @server.instance_variable_get(:@queue).size
  end
end
