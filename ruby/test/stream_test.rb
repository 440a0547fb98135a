# frozen_string_literal: true

require_relative 'support'

class StreamTest < HijackTest
  def test_writes_pieces
    written = nil
    port = serve do |request|
      stream = request.stream(201, 'x-kind' => 'pieces')
      stream << 'one, ' << :two
      written = stream.write(', ', 3, "\xFF".b, "\u00e9")
      assert_same stream, stream.flush
      stream.close
    end
    response = get(port)
    assert_equal [201, "one, two, 3\xFF\xC3\xA9".b, 'pieces'],
                 [response.status, response.body.b, response.headers['x-kind']]
    assert_equal 6, written
  end

  def test_a_block_closes_it_and_gives_its_value
    value = stream = nil
    port = serve do |request|
      value = request.stream do |it|
        stream = it
        it << 'body'
        :value
      end
    end
    assert_equal 'body', get(port).body
    assert_equal :value, value
    assert stream.closed?
  end

  def test_a_block_left_early_closes_it
    port = serve do |request|
      request.stream do |stream|
        stream << 'begun'
        next
      end
    end
    assert_equal 'begun', get(port).body
  end

  def test_a_block_that_fails_aborts_it
    reported = nil
    port = serve do |request|
      request.stream do |stream|
        stream << 'begun'
        raise 'halfway'
      end
    end
    @server.on_error { |error, _| reported = error.message }
    client = ask(port)
    text = within do
      client.read
    rescue Errno::ECONNRESET
      ''
    end
    refute_includes text, "0\r\n\r\n", 'an aborted body must not look finished'
    assert_equal 'halfway', eventually('report') { reported }
  end

  def test_sends_events
    port = serve do |request|
      request.sse('x-a' => 'b') do |stream|
        stream.send_event 'hello', event: 'greeting', id: 1, retry: 3000
        stream.send_event "two\nlines"
        stream.send_event 'reset', id: ''
        stream.send_event nil, retry: 5
        stream.comment "note\nmore"
        stream.comment
        stream.send_event "\u00e9".encode(Encoding::ISO_8859_1)
      end
    end
    response = get(port)
    assert_equal 'text/event-stream', response.headers['content-type']
    assert_equal 'b', response.headers['x-a']
    assert_equal "event: greeting\nid: 1\nretry: 3000\ndata: hello\n\n" \
                 "data: two\ndata: lines\n\n" \
                 "id:\ndata: reset\n\nretry: 5\n\n: note\n: more\n\n:\n\ndata: \u00e9\n\n".b.squeeze("\n"),
                 response.body.b.squeeze("\n")
  end

  def test_refuses_line_breaks_in_fields
    refused = []
    port = serve do |request|
      request.sse do |stream|
        [{ event: "a\nb" }, { id: "a\rb" }, { id: "a\0b" }].each do |fields|
          refused << assert_raises(Hijack::InvalidError) { stream.send_event('x', **fields) }.message
        end
        assert_raises(ArgumentError) { stream.send_event('x', nonsense: 1) }
      end
    end
    get(port)
    assert_equal 3, refused.size
    assert_match(/\Asend_event: /, refused.first)
  end

  def test_counts_against_a_content_length
    results = []
    port = serve do |request|
      request.stream(200, 'content-length' => 5) do |stream|
        stream << 'abc'
        results << assert_raises(Hijack::TooBigError) { stream << 'defg' }.message
        stream << 'de'
      end
    end
    response = get(port)
    assert_equal 'abcde', response.body
    assert_equal '5', response.headers['content-length']
    assert_match(/\Awrite: more than the Content-Length/, results.first)
  end

  def test_use_after_close
    errors = []
    port = serve do |request|
      stream = request.sse
      refute stream.closed?
      2.times { assert_nil stream.close }
      assert_nil stream.abort
      assert stream.closed?
      calls = [-> { stream << 'x' }, -> { stream.write_nonblock('x') }, -> { stream.send_event('x') },
               -> { stream.comment }, -> { @server.broadcaster.add(stream) }]
      calls.each { |call| errors << assert_raises(Hijack::ClosedError, &call) }
      errors << stream.inspect
    end
    get(port)
    assert_equal '#<Hijack::Stream HIJACK_ECLOSED>', eventually('calls') { errors[5] }
    assert(errors.first(5).all?(IOError))
  end

  def test_abort_breaks_the_body
    port = serve do |request|
      stream = request.stream
      stream << 'x'
      stream.abort
      assert_raises(Hijack::AbortedError) { stream << 'y' }
    end
    assert_raises(Errno::ECONNRESET, EOFError) { within { ask(port).tap { |it| loop { it.readpartial(99) } } } }
    eventually('abort') { @server.stats[:closed_aborted] == 1 }
  end

  def test_learns_of_a_reset
    stream = nil
    port = serve { |request| stream = request.sse }
    client = ask(port)
    read_until(client, "\r\n\r\n")
    client.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii'))
    client.close
    eventually('closed') { stream.closed? }
    error = assert_raises(Hijack::ResetError) { stream.send_event 'x' }
    assert_kind_of Errno::ECONNRESET, error
    assert_equal 'send_event: the peer reset the connection', error.message
  end

  def test_trailers
    stream = nil
    port = serve { |request| stream = request.stream }
    client = ask(port)
    eventually('a stream') { stream }
    stream << 'x'
    error = assert_raises(Hijack::HeaderError) { stream.finish('content-length' => 1) }
    assert_match(/\Aclose: trailers: /, error.message)
    refute_predicate stream, :closed?
    stream << 'y'
    stream.close('x-sum' => %w[1 2])
    stream.close('x-sum' => 3)
    assert_match(/\r\n1\r\ny\r\n0\r\nx-sum: 1\r\nx-sum: 2\r\n\r\n\z/, read_until(client, "sum: 2\r\n\r\n"))
  end

  def test_idle_timeout_ends_it
    stream = nil
    port = serve(idle_timeout_ms: 100) { |request| stream = request.stream }
    read_response(ask(port))
    eventually('closed') { stream.closed? }
    assert_raises(Hijack::TimedOutError) { stream << 'x' }
  end

  def test_the_connection_serves_further_requests
    port = serve { |request| request.stream { |stream| stream << request.path } }
    client = ask(port, '/one')
    read_until(client, "0\r\n\r\n")
    client.write "GET /two HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    assert_equal '/two', read_response(client).body
  end
end
