# frozen_string_literal: true

require_relative 'support'
require 'etc'
require 'tmpdir'

class ErrorTest < HijackTest
  def test_each_code_has_a_class_with_a_name_and_a_sentence
    codes = Hijack::C.constants.grep(/\AE[A-Z]+\z/).map { |name| Hijack::C.const_get(name) }
    assert_equal codes.sort, Hijack::ERRORS.keys.sort
    Hijack::ERRORS.each do |code, kind|
      error = Hijack::Error.for(code, 'thing 5')
      assert_instance_of kind, error
      assert_kind_of Hijack::Error, error
      assert_equal [code, Hijack::C.errname(code)], [error.code, error.name]
      assert_match(/\Athing 5: \w.{10}/, error.message)
      refute_match(/NULL|hijack\.h|hijack_\w|DRAINED|handle/, error.message)
      assert_kind_of Exception, kind.new
    end
  end

  # What programs that know nothing of this gem rescue.
  def test_they_are_rubys_own_kinds_too
    { AddressInUseError: Errno::EADDRINUSE, AccessDeniedError: Errno::EACCES, TimedOutError: Errno::ETIMEDOUT,
      ResetError: Errno::ECONNRESET, ClosedError: IOError, ShutdownError: IOError, SlowError: IOError,
      InvalidError: ArgumentError, OptionError: ArgumentError, HeaderError: ArgumentError, OutOfRangeError: RangeError,
      LimitError: Errno::EMFILE, NotSocketError: Errno::ENOTSOCK, AbortedError: Errno::ECONNABORTED,
      VersionError: LoadError, WaitTimeoutError: IOError, WriteWouldBlockError: IO::WaitWritable,
      ReadWouldBlockError: IO::WaitReadable }.each do |name, parent|
      assert_operator Hijack.const_get(name), :<, parent
    end
  end

  # What is wrong with which value, what was expected, and in which state it was.
  def test_mistakes_of_a_program
    started = new_server.start
    room = started.broadcaster
    fresh = new_server
    { 'option thread: a server has no option of this name; did you mean threads?' => -> { fresh[:thread] = 2 },
      'option worker: a server has no option of this name; did you mean workers?' => -> { new_server(worker: 2) },
      'option overflov: a broadcaster has no option of this name; did you mean overflow?' =>
        -> { started.broadcaster(overflov: :latest) },
      'option nonsense: a server has no option of this name; docs/reference/options.md lists them' =>
        -> { fresh[:nonsense] },
      'option threads: expected a whole number from 0 to 64 (got "two")' => -> { fresh[:threads] = 'two' },
      'option threads: expected a whole number from 0 to 64 (got nil)' => -> { fresh[:threads] = nil },
      'route /x: option max_body_bytes: expected bytes from 0 to 1099511627776, as a whole number that may end in k ' \
      'or m (got -1)' => -> { fresh.route_set('/x', max_body_bytes: -1) },
      'option threads: the server has been started; do this before' => -> { started[:threads] = 3 },
      'workers: expected a whole number from 1 (got 0)' => -> { new_server(workers: 0) },
      'hold: expected a path as a String that begins with / (got :sse)' => -> { fresh.hold(:sse, room) },
      'hold: expected a Hijack::Broadcaster (got nil)' => -> { fresh.hold('/x', nil) },
      'hold /x: the server has been started; do this before' => -> { started.hold('/x', room) },
      'hold /y: the path is held already, or the body of the request has to be read to its end before' =>
        -> { 2.times { fresh.hold('/y', fresh.broadcaster) } },
      'publish: event: and id: must not contain a line break, and a text must be valid UTF-8' =>
        -> { room.publish('x', id: "a\nb") },
      'publish: the server has not been started' => -> { fresh.broadcaster << 'x' },
      'publish: a message has at most 16 MiB' => -> { room << ('x' * (17 << 20)) },
      'add: expected a Stream, Socket or WebSocket (got 5)' => -> { room.add(5) },
      'drain: expected seconds, 0 or more (got "1")' => -> { started.drain('1') },
      'drain 10: the server has not been started' => -> { fresh.drain },
      'wait: the server has not been started' => -> { fresh.wait },
      'start: the server has been started already' => -> { started.start },
      'on_error: a block is expected, and none was given' => -> { fresh.on_error },
      'listen 127.0.0.1:99999: a port is at most 65535' => -> { fresh.listen('127.0.0.1:99999') } }.each do |text, call|
      error = assert_raises(StandardError, text, &call)
      assert_kind_of Hijack::Error, error
      assert_equal text, error.message
    end
  end

  def test_mistakes_with_a_request
    found = Thread::Queue.new
    port = serve(request_body: :pieces) do |request|
      [-> { request.respond 99 }, -> { request.stream 99 }, -> { request.hijack_partial 99 }, -> { request.hijack },
       -> { request.respond 200, '', 'content-length' => 5 }].each do |call|
        call.call
      rescue Hijack::Error => e
        found << e.message
      end
      request.sse { |stream| stream.send_event 'x', event: "a\rb" }
    rescue Hijack::Error => e
      found << e.message
    end
    ask(port, '/', { 'Content-Length' => '10' }, method: 'POST')
    assert_equal ['respond 99: expected a status from 200 to 999', 'stream 99: expected a status from 200 to 999',
                  'hijack_partial 99: expected a status from 100 to 999',
                  'hijack: the body of the request has to be read to its end before',
                  'respond 200: a header is not valid, or is one that the library sets itself, as Content-Length',
                  'send_event: event: and id: must not contain a line break, and a text must be valid UTF-8'],
                 Array.new(6) { within { found.pop } }
  end

  def test_switches_are_true_and_false
    assert_equal 'off', new_server(http2: false)[:http2]
    assert_equal 'on', new_server(http2: true)[:http2]
  end

  def test_an_unknown_code_is_a_system_failure
    assert_instance_of Hijack::SystemFailureError, Hijack::Error.for(-999, 'x')
  end

  # Those that no public method can provoke here, through the calls that methods make.
  def test_codes_from_the_library_itself
    c = Hijack::C
    assert_raises(Hijack::HandleError) { c.check(c.stream_finish(12_345, nil, 0), 'x') }
    assert_raises(Hijack::VersionError) { c.check(c.check_version(0x990000), 'x') }
    assert_raises(Hijack::OutOfMemoryError) { c.check(c::ENOMEM, 'x') }
    assert_raises(Hijack::SystemFailureError) { c.check(c::EIO, 'x') }
    assert_raises(Hijack::WouldBlockError) { c.check(c::EAGAIN, 'x') }
    assert_equal 5, c.check(5, 'x')
  end

  def test_a_second_poller_is_busy
    server = new_server
    queue = server.instance_variable_get(:@handles).queue
    events = FFI::MemoryPointer.new(Hijack::C::EVENT_SIZE)
    first = Thread.new { Hijack::C.queue_poll(events, queue, 1, 300) }
    assert_equal 0, first.value # without releasing the lock of the interpreter, so one after the other
    blocking = Module.new do
      extend FFI::Library
      ffi_lib Hijack::C.ffi_libraries.first.name
      attach_function :hijack_queue_poll, %i[pointer uint64 uint32 int], :int, blocking: true
    end
    first = Thread.new { blocking.hijack_queue_poll(events, queue, 1, 2000) }
    error = eventually('busy') do
      Hijack::C.check(Hijack::C.queue_poll(FFI::MemoryPointer.new(40), queue, 1, 0), 'poll')
      nil
    rescue Hijack::BusyError => e
      e
    end
    Hijack::C.queue_wake(queue)
    within { first.join }
    assert_kind_of ThreadError, error
  end

  def test_what_the_system_does_not_permit
    folder = Dir.mktmpdir
    File.chmod(0o700, folder)
    program = <<~RUBY
      require 'hijack_ffi'
      Process::Sys.setuid(65_534) if Process.uid.zero?
      begin
        Hijack::Server.new.listen('unix:#{Process.uid.zero? ? folder : '/root'}/socket')
      rescue Errno::EACCES => e
        puts e.class, e.message
      end
    RUBY
    output, = ruby(program)
    assert_match(%r{\AHijack::AccessDeniedError\nlisten unix:/.*/socket: the operating system does not permit}, output)
  ensure
    FileUtils.remove_entry(folder)
  end

  def test_no_descriptor_is_left
    program = <<~RUBY
      require 'hijack_ffi'
      Process.setrlimit(:NOFILE, 64)
      files = []
      begin
        loop { files << File.open('/dev/null') }
      rescue Errno::EMFILE
        files.pop.close
      end
      begin
        Hijack::Server.new.listen('127.0.0.1:0')
      rescue Errno::EMFILE => e
        puts e.class, e.message
      end
    RUBY
    output, = ruby(program)
    assert_match(/\AHijack::LimitError\n.*: no descriptor, thread or connection is left/, output)
  end
end
