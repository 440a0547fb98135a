# frozen_string_literal: true

require_relative 'support'

class RequestTest < HijackTest
  def test_says_everything_of_the_head_and_the_body
    seen = nil
    port = serve do |request|
      seen = request
      request.respond 201, request.body.read.reverse, 'Content-Type' => 'text/plain', 'X-Y' => 'z'
    end
    response = get(port, '/a/b?c=d?e', { 'X-Thing' => 'one', 'x-thing' => 'two' }, method: 'POST', body: "a\r\n\r\nb")
    assert_equal [201, "b\n\r\n\ra", 'z'], [response.status, response.body, response.headers['x-y']]
    assert_equal ['POST', '/a/b?c=d?e', '/a/b', 'c=d?e', 'HTTP/1.1', 'http'],
                 [seen.request_method, seen.target, seen.path, seen.query, seen.http_version, seen.scheme]
    assert_match(/\A127\.0\.0\.1:\d+\z/, seen.peer)
    assert_equal 'one, two', seen.headers['X-Thing']
    assert_equal Encoding::BINARY, seen.body.tap(&:rewind).read.encoding
    assert_equal Encoding::UTF_8, seen.path.encoding
    assert seen.answered?
    assert_match(/Request POST .*answered/, seen.inspect)
  end

  def test_has_no_query_and_no_body
    seen = nil
    port = serve do |request|
      seen = [request.query, request.body.read, request.answered?]
      request.respond 204
    end
    assert_equal 204, get(port).status
    assert_equal [nil, '', false], seen
  end

  def test_a_head_that_is_not_utf8_stays_binary
    seen = nil
    port = serve do |request|
      seen = request.headers['x-raw']
      request.respond 200
    end
    get(port, '/', { 'X-Raw' => "\xFF".b })
    assert_equal "\xFF".b, seen
    assert_equal Encoding::BINARY, seen.encoding
  end

  def test_is_answered_once
    codes = []
    port = serve do |request|
      request.respond 200, 'first'
      calls = [-> { request.respond 200 }, -> { request.stream }, -> { request.sse }, -> { request.hijack },
               -> { request.hijack_partial }, -> { request.hold @server.broadcaster }]
      calls.each { |call| codes << assert_raises(Hijack::StateError, &call).code }
    end
    assert_equal 'first', get(port).body
    assert_equal [Hijack::C::ESTATE] * 6, eventually('all calls') { codes if codes.size == 6 }
  end

  def test_a_refused_answer_leaves_it_open
    port = serve do |request|
      error = assert_raises(Hijack::InvalidError) { request.respond 42 }
      request.respond 200, error.message
    end
    assert_match(/\Arespond 42: expected a status from 200 to 999/, get(port).body)
  end

  def test_unanswered_ones_get_500
    port = serve { |_request| nil }
    assert_equal 500, get(port).status
  end

  def test_an_error_of_the_handler_gets_500_and_is_reported
    seen = nil
    server = new_server
    server.on_error { |error, request| seen = [error.message, request.path] }
    port = server.listen('127.0.0.1:0')
    server.start { |request| raise "no luck with #{request.path}" }
    assert_equal 500, get(port, '/x').status
    assert_equal ['no luck with /x', '/x'], eventually('report') { seen }
    assert_equal 500, get(port, '/y').status, 'the worker lives on'
  end

  def test_without_on_error_it_is_written_to_stderr
    _, errors = capture_io do
      port = serve { |_request| raise NotImplementedError, 'not yet' }
      assert_equal 500, get(port, '/x').status
      @server.stop
    end
    assert_match(%r{hijack_ffi: #<Hijack::Request GET /x>: .*not yet \(NotImplementedError\)}, errors)
  end

  def test_an_on_error_that_fails_is_reported
    _, errors = capture_io do
      server = new_server
      server.on_error { raise 'worse' }
      port = server.listen('127.0.0.1:0')
      server.start { raise 'bad' }
      2.times { assert_equal 500, get(port).status }
      server.stop
    end
    assert_match(/on_error failed: .*worse/, errors)
  end

  def test_a_client_that_has_gone_is_no_error_of_the_handler
    gone = Thread::Queue.new
    answered = Thread::Queue.new
    reported = []
    server = new_server
    server.on_error { |error, _| reported << error }
    port = server.listen('127.0.0.1:0')
    server.start do |request|
      next request.respond 200 if request.path == '/next'

      gone.pop
      begin
        eventually('the library to notice') { server.stats[:closed_peer] == 1 }
        request.respond 200
      ensure
        answered << $!.class
      end
    end
    client = ask(port)
    client.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii'))
    eventually('request') { server.stats[:requests] == 1 }
    client.close
    gone << true
    assert_equal Hijack::ClosedError, within { answered.pop }
    assert_equal 200, get(port, '/next').status
    assert_empty reported
  end

  def test_without_a_handler_everything_is_404
    port = serve
    response = get(port, '/nothing')
    assert_equal [404, "404 Not Found: nothing is served here\n"], [response.status, response.body]
  end

  def test_another_thread_may_answer
    port = serve { |request| Thread.new { request.respond 200, 'elsewhere' }.join }
    assert_equal 'elsewhere', get(port).body
  end

  def test_too_many_waiting_ones_get_503
    hold = Thread::Queue.new
    port = serve(workers: 1, capacity: 2) do |request|
      hold.pop
      request.respond 200
    end
    clients = Array.new(6) { ask(port, '/', { 'Connection' => 'close' }) }
    eventually('requests') { @server.stats[:requests] == 6 }
    refused = eventually('503') { clients.count { |client| client.wait_readable(0.05) }.then { |n| n if n >= 3 } }
    6.times { hold << true }
    statuses = clients.map { |client| read_response(client).status }
    assert_equal [503] * refused + [200] * (6 - refused), statuses.sort.reverse
  end
end
