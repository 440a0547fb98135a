# frozen_string_literal: true

# What the demos share: arguments, signals, and a clock. Every call of the library is in the demos themselves.
module Demo
  TEXT = { 'content-type' => 'text/plain; charset=utf-8' }.freeze
  HTML = { 'content-type' => 'text/html; charset=utf-8' }.freeze

  module_function

  # The port to listen on: first argument, else the variable PORT, else 9292. 0 means any free one.
  def port
    ARGV.empty? ? env('PORT', 9292, 0..65_535) : whole_number('port', ARGV.first, 0..65_535)
  end

  # A whole number from the environment.
  def env(name, fallback, range)
    text = ENV.fetch(name, '')
    text.empty? ? fallback : whole_number(name, text, range)
  end

  def whole_number(name, text, range)
    number = Integer(text, 10, exception: false)
    return number if number && range.cover?(number)

    abort "#{name}: \"#{text}\" is not a whole number from #{range.min} to #{range.max}"
  end

  # Ctrl-C and TERM end the program with success; each connection may have its descriptor; lines are written at once.
  def prepare
    %w[INT TERM].each { |name| trap(name) { exit_once } }
    Process.setrlimit(:NOFILE, Process.getrlimit(:NOFILE).last)
    $stdout.sync = true
  end

  # A second signal while the program ends changes nothing: Ruby gives its signals back to the system at the very end,
  # and one that comes then would end the process by itself.
  def exit_once
    %w[INT TERM].each { |name| trap(name, 'IGNORE') }
    exit
  end

  # What the variables TLS_CERT and TLS_KEY name, the paths of a certificate and its key; nil without them.
  def tls
    cert, key = %w[TLS_CERT TLS_KEY].map { |name| ENV.fetch(name, '') }
    return if cert.empty? && key.empty?

    missing = { 'TLS_CERT' => cert, 'TLS_KEY' => key }.key('')
    abort "#{missing}: not set; https needs both TLS_CERT and TLS_KEY" if missing
    { cert: cert, key: key }
  end

  # Listens, starts the server, and says where it is; a block gets the requests.
  def start(server, &handler)
    port_taken = server.listen("127.0.0.1:#{port}", tls: tls)
    server.start(&handler)
    puts "#{tls ? 'https' : 'http'}://127.0.0.1:#{port_taken}/"
  rescue Hijack::Error => e
    abort e.message
  end

  # Copies that need no more waiting for: written, dropped, or of a member that has left.
  def settled(server)
    server.stats.values_at(:delivered, :dropped, :closed_peer, :closed_timeout, :closed_slow).sum
  end

  # Publish itself takes microseconds and waits for nobody; what is measured is how long the library's threads write.
  # The block publishes. A run that is not over after so many seconds is reported as it stands.
  # @return [Array(Integer, Float)] how many clients it was addressed to, and the milliseconds
  def run(server, longest)
    before = settled(server)
    start = now
    addressed = yield
    sleep 0.001 while settled(server) - before < addressed && now - start < longest
    [addressed, (now - start) * 1000]
  end

  def resident_mib
    File.read('/proc/self/status')[/VmRSS:\s+(\d+) kB/, 1].to_f / 1024
  end

  # Yields every so many seconds, for ever.
  def every(seconds)
    due = now + seconds
    loop do
      sleep [due - now, 0].max
      yield
      due = [due + seconds, now].max
    end
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end
