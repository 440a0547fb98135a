# frozen_string_literal: true

require 'minitest/autorun'
require 'open3'
require 'rbconfig'
require 'socket'
require 'stringio'
require 'timeout'
require 'hijack_ffi'

# What the tests share: servers that end with their test, plain clients, waiting for a condition.
class HijackTest < Minitest::Test
  PATIENCE = 60 # seconds, until a test gives up, on a busy machine; nothing waits that long when all is well
  LIB = File.expand_path('../lib', __dir__)
  Response = Struct.new(:status, :headers, :body)

  def setup
    @servers = []
    @clients = []
  end

  def teardown
    @clients.each(&:close)
    @servers.each(&:stop)
  end

  # A server that is stopped after the test.
  def new_server(**options)
    Hijack::Server.new(threads: 1, **options).tap { |server| @servers << server }
  end

  # The port of a started server with this handler; @server is the server.
  def serve(**options, &handler)
    @server = new_server(**options)
    port = @server.listen('127.0.0.1:0')
    @server.start(&handler)
    port
  end

  # A client that is closed after the test.
  def connect(port)
    TCPSocket.new('127.0.0.1', port).tap { |client| @clients << client }
  end

  # A client that has sent a request.
  def ask(port, path = '/', headers = {}, method: 'GET', body: '')
    headers = { 'Host' => 'test' }.merge(headers)
    headers['Content-Length'] = body.bytesize unless body.empty?
    client = connect(port)
    lines = headers.map { |name, value| "#{name}: #{value}\r\n" }
    client.write("#{method} #{path} HTTP/1.1\r\n", *lines, "\r\n", body)
    client
  end

  # A whole response.
  def get(port, path = '/', headers = {}, **options)
    read_response(ask(port, path, { 'Connection' => 'close' }.merge(headers), **options))
  end

  def read_response(client)
    head, body = within { client.read }.split("\r\n\r\n", 2)
    first, *lines = head.split("\r\n")
    headers = lines.to_h { |line| line.split(': ', 2) }.transform_keys(&:downcase)
    body = unchunk(body) if headers['transfer-encoding'] == 'chunked'
    Response.new(first[/\AHTTP\/1\.1 (\d+)/, 1].to_i, headers, body)
  end

  # The pieces of a chunked body in one; nil where it is not finished.
  def unchunk(text)
    input = StringIO.new(text)
    body = String.new
    while (size = input.gets&.to_i(16))
      return body if size.zero?

      body << input.read(size)
      input.read(2)
    end
  end

  # What the peer has sent up to and with this text.
  def read_until(client, text)
    found = String.new
    from = 0
    within do
      until found.index(text, from)
        from = [found.bytesize - text.bytesize, 0].max
        found << client.readpartial(65_536)
      end
    end
    found
  end

  def within(patience = PATIENCE, &block)
    Timeout.timeout(patience, Minitest::Assertion, "not done within #{patience} s", &block)
  end

  def eventually(what)
    deadline = now + PATIENCE
    until (found = yield)
      flunk("not within #{PATIENCE} s: #{what}") if now > deadline
      sleep 0.005
    end
    found
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  def seconds
    start = now
    yield
    now - start
  end

  # Runs a program in a process of its own. What it writes to stderr fails the test, so that no warning gets through.
  def ruby(program, *arguments, env: {}, quiet: true, patience: PATIENCE)
    command = [RbConfig.ruby, '-w', '-I', LIB, *arguments, '-e', program]
    output, errors, status = within(patience) { Open3.capture3(env, *command) }
    assert_equal '', errors if quiet
    [output, errors, status]
  end

  # Starts one that goes on, and yields its pid and its stdout.
  def ruby_process(program, *arguments)
    input, output = IO.pipe
    pid = Process.spawn(RbConfig.ruby, '-w', '-I', LIB, '-I', __dir__, *arguments, '-e', program, out: output)
    output.close
    yield pid, input
  ensure
    input&.close
    stop_process(pid) if pid
  end

  def stop_process(pid)
    Process.kill(:KILL, pid)
    Process.wait(pid)
  rescue Errno::ESRCH, Errno::ECHILD
    nil # it has ended
  end

  # The exit status of a process that ends now.
  def ended(pid)
    within { Process.wait2(pid).last }
  end

  def descriptors
    Dir.children('/proc/self/fd').size
  end

  def tasks
    Dir.children('/proc/self/task').size
  end

  # More than the kernel takes for a peer that does not read: 4 MiB for sending, 128 KiB for receiving.
  FLOOD = 'x' * (12 << 20)

  # Writes so much to a peer that does not read that nothing more is taken until it does.
  def fill(connection)
    assert_equal FLOOD.bytesize, connection.write_nonblock(FLOOD)
    assert_equal :wait_writable, connection.write_nonblock('x', exception: false)
  end

  # Waits until a server's only loop has got round, so that it has done whatever it was about to do.
  def barrier(server)
    3.times do
      ours, theirs = pair
      socket = server.adopt(ours)
      theirs.write 'x'
      within { socket.readpartial(1) }
      socket.close
    end
  end

  def pair
    ours, theirs = UNIXSocket.pair
    @clients << theirs
    [ours, theirs]
  end

  # Both ends of a TCP connection.
  def tcp_pair
    listener = TCPServer.new('127.0.0.1', 0)
    client = connect(listener.addr[1])
    [listener.accept, client]
  ensure
    listener&.close
  end
end
