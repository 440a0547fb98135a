# frozen_string_literal: true

require_relative 'websocket_client'

# Every public class and method says what it is, takes, gives and raises; and the guide's program runs.
class DocumentationTest < HijackTest
  GUIDE = File.expand_path('../../docs/reference/ruby.md', __dir__)

  def comment_above(location)
    file, line = location
    @lines ||= Hash.new { |lines, name| lines[name] = File.readlines(name) }
    @lines[file][0...(line - 1)].reverse.take_while { |text| text.strip.start_with?('#') }.reverse.join
  end

  def inside?(comment)
    comment.include?('@api private')
  end

  # Public classes and modules; one that is reopened is documented where it was first opened.
  def nouns
    Hijack.constants.map { |name| [name, Hijack.const_get(name)] }.select { |_, noun| noun.is_a?(Module) }
          .reject { |name, _| inside?(comment_above(Hijack.const_source_location(name))) }
  end

  # [name, method] of all that the package defines there.
  def methods_of(noun)
    own = noun.singleton_methods(false).map { |name| [".#{name}", noun.method(name)] }
    own += noun.public_instance_methods(false).map { |name| ["##{name}", noun.instance_method(name)] }
    constructor = :initialize
    own << ["##{constructor}", noun.instance_method(constructor)] if noun.private_method_defined?(constructor, false)
    own.reject { |_, method| inside?(comment_above(method.source_location)) }
  end

  def test_every_public_class_says_what_it_is
    assert_includes nouns.map(&:first), :Server
    refute_includes nouns.map(&:first), :EventQueue
    nouns.each { |name, _| refute_equal '', comment_above(Hijack.const_source_location(name)), name }
  end

  def test_every_public_method_says_what_it_takes_gives_and_raises
    methods = nouns.flat_map { |name, noun| methods_of(noun).map { |method_name, it| ["#{name}#{method_name}", it] } }
    assert_operator methods.size, :>, 80
    methods.each do |name, method|
      comment = comment_above(method.source_location)
      assert_match(/\A +# ([A-Z@])/, comment, name)
      assert_match(/@return|@yield|@raise|@param/, comment, "#{name} says neither what it takes nor what it gives")
      method.parameters.each do |kind, parameter|
        next if kind == :block || parameter.nil? || !parameter.match?(/\A\w/)

        assert_match(/@(param|yieldparam) #{parameter}\b|parameters as/, comment, "#{name}: #{parameter}")
      end
    end
  end

  def test_every_return_and_parameter_has_a_type
    Dir[File.join(LIB, '**/*.rb')].each do |file|
      File.foreach(file).with_index(1) do |line, number|
        next unless line =~ /# +@(param|return|yieldparam)\b/

        assert_match(/@return \[.+\]|@param \w+ \[.+\]|@yieldparam \w+ \[.+\]/, line, "#{file}:#{number}")
      end
    end
  end

  # The first program of the guide, on another port.
  def test_the_guides_program
    program = File.read(GUIDE)[/^```ruby\n(.*?)^```$/m, 1]
    assert_operator program.lines.size, :<=, 20
    port = TCPServer.open('127.0.0.1', 0) { |listener| listener.addr[1] }
    assert_equal 1, program.scan('8080').size
    ruby_process(program.sub('8080', port.to_s)) do |pid, _|
      client = eventually('listens') do
        ask(port, '/sse')
      rescue Errno::ECONNREFUSED
        nil
      end
      read_until(client, "\n\n")
      assert_match(/data: \d{10}\n\n/, read_until(client, "\n\n"))
      stop_process(pid)
    end
  end

  # The examples of a section of the guide, each with a server of its own that listens.
  def examples(heading, replaced = {})
    File.read(GUIDE)[/^##+ #{heading}$(.*?)^##/m, 1].scan(/^```ruby\n(.*?)^```$/m).flatten.map do |piece|
      server = new_server
      port = server.listen('127.0.0.1:0')
      output = StringIO.new
      scope = Struct.new(:server, :output) { def puts(text) = output.puts(text) }.new(server, output)
      replaced.each { |written, real| piece = piece.gsub(written, real) }
      scope.instance_eval(piece, GUIDE)
      [port, output]
    end
  end

  def test_the_guides_websockets
    (echo, _), (blocks, output) = examples('WebSocket')
    client = within { WebSocketClient.new(connect(echo)) }
    client.text('hi')
    assert_equal ['Hello world!', 'hi'], within { [client.receive, client.receive] }
    client = within { WebSocketClient.new(connect(blocks)) }
    client.text('abc')
    assert_equal 'cba', within { client.receive }
    client.close(4000, 'bye')
    eventually('told') { output.string == "closed: 4000 bye\n" }
  end

  def test_the_guides_room
    (port, _), = examples('Rooms')
    news, talk = %w[/news /].map { |path| within { WebSocketClient.new(connect(port), path) } }
    events = ask(port, '/events')
    read_until(events, "\r\n\r\n")
    talk.text('hello')
    assert_equal %w[hello hello], [news, talk].map { |client| within { client.receive } }
    read_until(events, "data: hello\n\n")
  end

  def test_the_guides_history_users_and_presence
    (news, _), (users, output) = examples('History, users and presence')
    client = ask(news)
    read_until(client, "event: snapshot\ndata: first\n\n")
    read_until(ask(news, '/events'), "id: ")
    mine = ask(users, '/mine', { 'X-User' => 'alice' })
    login = ask(users, '/login')
    eventually('both came') { output.string == "alice came\n" * 2 }
    assert_equal "{#{Hijack.user('alice')}=>2}\n", get(users, '/tell').body.gsub(' ', '')
    [mine, login].each { |it| read_until(it, "data: for you alone\n\n") }
    get(users, '/logout')
    eventually('both left') { output.string.lines.last(2) == ["#{Hijack.user('alice')} left: nil\n"] * 2 }
  end

  def test_the_guides_outgoing_connections
    feed = TCPServer.new('127.0.0.1', 0)
    (port, output), = examples('Outgoing connections', '5514' => feed.addr[1].to_s)
    client = ask(port, '/sse')
    read_until(client, "\r\n\r\n")
    source = within { feed.accept }
    source.write "first line\nsecond "
    read_until(client, "data: first line\n\n")
    source.write "line\n"
    read_until(client, "data: second line\n\n")
    source.setsockopt(:SOCKET, :LINGER, [1, 0].pack('ii'))
    [source, feed].each(&:close)
    eventually('told') { output.string == "feed: read: the peer reset the connection\n" }
  end

  # Each other piece of Ruby in the guide is at least Ruby, and names only methods that exist.
  def test_the_guides_other_pieces
    pieces = File.read(GUIDE).scan(/^```ruby\n(.*?)^```$/m).flatten
    assert_operator pieces.size, :>=, 5
    pieces.each { |piece| RubyVM::InstructionSequence.compile(piece) }
    called = File.read(GUIDE).scan(/\b(server|clients|room|request|stream|socket|ws)\.(\w+[?]?)/).uniq
    nouns = { 'server' => Hijack::Server, 'clients' => Hijack::Broadcaster, 'request' => Hijack::Request,
              'stream' => Hijack::Stream, 'socket' => Hijack::Socket, 'ws' => Hijack::WebSocket,
              'room' => Hijack::Broadcaster }
    called.each { |noun, name| assert nouns[noun].method_defined?(name), "#{noun}.#{name}" }
  end
end
