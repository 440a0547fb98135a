# frozen_string_literal: true

require_relative 'support'

class HeaderTest < HijackTest
  def headers(*lines)
    Hijack::Headers.new(lines)
  end

  def test_reads_in_any_case
    it = headers('host: a', 'x-one: 1')
    assert_equal 'a', it['Host']
    assert_equal '1', it[:'X-ONE']
    assert_nil it['nothing']
    assert it.key?('HOST')
    refute it.key?('nothing')
  end

  def test_joins_what_came_twice
    it = headers('accept: a', 'x: 1', 'accept: b')
    assert_equal 'a, b', it['accept']
    assert_equal %w[a b], it.values('Accept')
    assert_equal({ 'accept' => 'a, b', 'x' => '1' }, it.to_h)
  end

  def test_is_enumerable
    it = headers('b: 2', 'a: 1', 'empty: ')
    assert_equal [%w[b 2], %w[a 1], ['empty', '']], it.each.to_a
    assert_equal %w[a b empty], it.map(&:first).sort
    assert_equal 3, it.count
    assert_same it, it.each { |_| nil }
  end

  def test_writes_a_block
    assert_equal "a: 1\r\nb: 2\r\nb: 3\r\n", Hijack::Headers.block('a' => 1, b: [2, 3])
    assert_equal "x: y\r\n", Hijack::Headers.block([%w[x y]])
    assert_equal "host: a\r\n", Hijack::Headers.block(headers('host: a'))
    assert_equal '', Hijack::Headers.block(nil)
    assert_equal "x: \xC3\xA9\xFF\r\n".b, Hijack::Headers.block('x' => "\u00e9".b + "\xFF".b)
  end

  def test_values_by_one_rule
    assert_equal "a: 1\r\nb: sym\r\nc: x\r\nc: 2\r\n",
                 Hijack::Headers.block('a' => 1, 'none' => nil, b: :sym, 'c' => ['x', nil, 2], 'empty' => [])
    { 'x' => [1.5, '1.5'], 'y' => [true, 'true'], 'z' => [{ a: 1 }, { a: 1 }.inspect], 'l' => [['fine', 0.1], '0.1'] }
      .each do |name, (value, shown)|
      error = assert_raises(ArgumentError) { Hijack::Headers.block(name => value) }
      assert_match(/the header #{name}: expected a String, .* \(got #{Regexp.escape(shown)}\)\z/, error.message)
    end
    ['text/plain', 5, [%w[a]], %w[a b], [%w[a b c]], :x].each do |wrong|
      error = assert_raises(Hijack::HeaderError) { Hijack::Headers.block(wrong) }
      assert_match(/expected a Hash, or an Array of pairs .*#{Regexp.escape(wrong.inspect)}/, error.message)
    end
  end

  # Blocks of constants are made once; what can still change is read again.
  def test_constants_and_others
    constant = { 'a' => '1' }.freeze
    assert_same Hijack::Headers.block(constant), Hijack::Headers.block(constant)
    text = +'1'
    list = ['1']
    [{ 'a' => text }.freeze, { 'a' => list }.freeze, { 'a' => '1' }, [%w[a 1]].freeze].each do |headers|
      2.times { assert_equal "a: 1\r\n", Hijack::Headers.block(headers) }
      assert_equal "a: 1\r\nb: 2\r\n", Hijack::Headers.block(headers, { 'b' => 2 })
    end
    text << '2'
    list << '3'
    assert_equal "a: 12\r\n", Hijack::Headers.block({ 'a' => text }.freeze)
    assert_equal "a: 1\r\na: 3\r\n", Hijack::Headers.block({ 'a' => list }.freeze)
  end

  # Positional, as headers:, and one by one; also together.
  def test_one_form_in_every_call
    rooms = nil
    calls = { '/respond' => ->(r, *f, **o) { r.respond(200, 'x', *f, **o) },
              '/stream' => ->(r, *f, **o) { r.stream(200, *f, **o) { nil } },
              '/sse' => ->(r, *f, **o) { r.sse(*f, **o) { nil } },
              '/partial' => ->(r, *f, **o) { r.hijack_partial(200, *f, **o) { nil } } }
    port = serve do |request|
      path, form = request.path.scan(%r{/\w+})
      call = calls[path]
      case form
      when '/hash' then call.call(request, { 'x-one' => '1' })
      when '/pairs' then call.call(request, [%w[x-one 1]])
      when '/keyword' then call.call(request, headers: { 'x-one' => '1' })
      when '/single' then call.call(request, 'x-one' => '1')
      when '/both' then call.call(request, headers: { 'x-two' => '2' }, 'x-one' => '1')
      else request.hold(rooms, headers: [['x-one', 1]])
      end
    end
    rooms = @server.broadcaster
    calls.each_key do |path|
      %w[hash pairs keyword single both].each do |form|
        assert_match(/^x-one: 1\r$/, read_until(ask(port, "#{path}/#{form}"), "\r\n\r\n"), "#{path} #{form}")
      end
    end
    assert_match(/^x-one: 1\r$/, read_until(ask(port, '/hold'), "\r\n\r\n"))
  end

  def test_a_body_is_a_string
    refused = Thread::Queue.new
    port = serve do |request|
      [%w[a b], nil, 5, { headers: 'x' }].each do |body|
        request.respond 200, body
      rescue ArgumentError => e
        refused << [body, e.message]
      end
      request.respond 201, body: 'right', headers: { 'x' => 'y' }
    end
    response = get(port)
    assert_equal [201, 'right', 'y'], [response.status, response.body, response.headers['x']]
    4.times do
      body, message = refused.pop
      assert_equal "respond: body: expected a String (got #{body.inspect})", message
    end
  end

  BREAKS = ["a\r\nset-cookie: b", "a\nb", "a\rb", "a\0b", "\r\n\r\nbody"].freeze

  def test_no_value_smuggles_a_line
    BREAKS.each do |value|
      error = assert_raises(Hijack::HeaderError) { Hijack::Headers.block('x' => value) }
      assert_match(/header x has a line break or NUL/, error.message)
      assert_raises(Hijack::HeaderError) { Hijack::Headers.block('x' => ['fine', value]) }
    end
  end

  def test_no_name_smuggles_a_line_or_a_name
    (BREAKS + ['', 'a: b', 'a:']).each do |name|
      assert_raises(Hijack::HeaderError, name.inspect) { Hijack::Headers.block(name => 'x') }
    end
  end

  # Each call that takes headers refuses them, and the request can still be answered.
  def test_every_call_refuses_smuggled_headers
    evil = { 'x' => "y\r\nset-cookie: stolen=1" }
    refused = []
    port = serve do |request|
      clients = @server.broadcaster
      calls = [-> { request.respond 200, '', evil }, -> { request.stream 200, evil }, -> { request.sse evil },
               -> { request.hijack_partial 200, evil }, -> { request.hold clients, headers: evil }]
      calls.each do |call|
        call.call
      rescue Hijack::HeaderError => e
        refused << e.code
      end
      request.respond 200, 'unharmed'
    end
    response = get(port)
    assert_equal [Hijack::C::EHEADER] * 5, refused
    assert_equal 'unharmed', response.body
    refute response.headers.key?('set-cookie')
  end

  def test_the_library_refuses_what_else_is_wrong
    port = serve do |request|
      wrong = [{ 'two words' => 'x' }, { 'transfer-encoding' => 'chunked' }, { 'content-length' => '99' },
               { 'x' => "bell\a" }]
      wrong.each { |headers| assert_raises(Hijack::HeaderError) { request.respond 200, 'body', headers } }
      request.respond 200, 'fine', 'x-many' => %w[1 2]
    end
    response = get(port)
    assert_equal 'fine', response.body
    assert_equal '2', response.headers['x-many']
  end

  def test_held_routes_refuse_them_too
    server = new_server
    assert_raises(Hijack::HeaderError) { server.hold '/', server.broadcaster, headers: { 'x' => "y\r\nz: 1" } }
  end
end
