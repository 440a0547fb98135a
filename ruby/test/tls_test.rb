# frozen_string_literal: true

require 'net/http'
require 'openssl'
require 'tmpdir'
require_relative 'websocket_client'

# Listeners that speak TLS, with certificates made here, and Ruby's own client.
class TLSTest < HijackTest
  Issued = Struct.new(:certificate, :key)

  # A certificate for these names; without a signer it signs itself, and may sign others.
  def issue(common_name, signer: nil, dns: ['localhost'], serial: 1)
    key = OpenSSL::PKey::EC.generate('prime256v1')
    certificate = OpenSSL::X509::Certificate.new
    certificate.version = 2
    certificate.serial = serial
    certificate.subject = OpenSSL::X509::Name.new([['O', 'us'], ['CN', common_name]])
    certificate.issuer = (signer&.certificate || certificate).subject
    certificate.public_key = key
    certificate.not_before = Time.now - 3600
    certificate.not_after = Time.now + 86_400
    extend_for(certificate, signer, dns)
    certificate.sign(signer&.key || key, 'SHA256')
    Issued.new(certificate, key)
  end

  def extend_for(certificate, signer, dns)
    factory = OpenSSL::X509::ExtensionFactory.new(signer&.certificate || certificate, certificate)
    names = [*dns.map { |name| "DNS:#{name}" }, 'IP:127.0.0.1'].join(',')
    certificate.add_extension(factory.create_extension('basicConstraints', signer ? 'CA:FALSE' : 'CA:TRUE', true))
    certificate.add_extension(factory.create_extension('subjectAltName', names))
  end

  def authority
    @authority ||= issue('the authority')
  end

  def leaf
    @leaf ||= issue('server', signer: authority)
  end

  # The port of a server that speaks TLS with the leaf.
  def serve_tls(tls = {}, **options, &handler)
    @server = new_server(**options)
    port = @server.listen('127.0.0.1:0', tls: { cert: leaf.certificate, key: leaf.key, **tls })
    @server.start(&handler)
    port
  end

  def context(issued = nil)
    OpenSSL::SSL::SSLContext.new.tap do |context|
      context.cert_store = OpenSSL::X509::Store.new.tap { |store| store.add_cert(authority.certificate) }
      context.verify_mode = OpenSSL::SSL::VERIFY_PEER
      context.add_certificate(issued.certificate, issued.key) if issued
    end
  end

  def connect_tls(port, name: nil, issued: nil)
    client = OpenSSL::SSL::SSLSocket.new(connect(port), context(issued))
    client.hostname = name if name
    within { client.connect }
    client
  end

  def get_tls(port, path = '/', issued: nil)
    http = Net::HTTP.new('localhost', port)
    http.use_ssl = true
    http.ipaddr = '127.0.0.1'
    http.cert_store = context.cert_store
    http.cert, http.key = issued.to_a if issued
    within { http.start { http.get(path) } }
  end

  def serial_of(port, name: nil)
    client = connect_tls(port, name: name)
    client.peer_cert.serial.to_i
  ensure
    client&.close
  end

  def test_get_and_its_facts
    seen = nil
    port = serve_tls do |request|
      request.respond 200, 'hello'
      seen = request # also after the answer
    end
    assert_equal 'hello', get_tls(port).body
    within { Thread.pass until seen }
    assert_equal ['https', 'TLSv1.3', 'localhost', nil, nil],
                 [seen.scheme, seen.tls_version, seen.tls_server_name, seen.tls_subject, seen.tls_certificate]
    assert_match(/\ATLS_/, seen.tls_cipher)
    assert_equal({ 'rack.url_scheme' => 'https', 'HTTPS' => 'on', 'SSL_PROTOCOL' => 'TLSv1.3',
                   'SSL_CIPHER' => seen.tls_cipher, 'SSL_TLS_SNI' => 'localhost', 'SSL_CLIENT_VERIFY' => 'NONE' },
                 seen.tls_env)
  end

  def test_plain_and_tls_in_one_server
    server = new_server
    server.certificate(leaf.certificate.to_pem, leaf.key.to_pem)
    tls = server.listen('tls:127.0.0.1:0')
    plain = server.listen('127.0.0.1:0')
    server.start do |request|
      request.respond 200, "#{request.scheme} #{request.tls_version.inspect} #{request.tls_env}"
    end
    assert_match(/\Ahttps "TLSv1.3"/, get_tls(tls).body)
    assert_equal 'http nil {"rack.url_scheme"=>"http"}', get(plain).body.gsub(' => ', '=>')
  end

  def test_sse_of_a_request_and_of_a_held_route
    server = new_server
    clients = server.broadcaster
    server.hold '/held', clients
    port = server.listen('127.0.0.1:0', tls: { cert: leaf.certificate, key: leaf.key })
    server.start { |request| request.sse { |stream| stream.send_event 'one', id: 7 } }
    stream, held = %w[/ /held].map do |path|
      connect_tls(port).tap { |client| client.write "GET #{path} HTTP/1.1\r\nHost: me\r\n\r\n" }
    end
    assert_includes read_until(stream, "data: one\n\n"), 'id: 7'
    read_until(held, "\r\n\r\n")
    eventually('a member') { clients.count == 1 }
    clients << 'to all'
    read_until(held, "data: to all\n\n")
  end

  def test_an_upload_in_pieces
    port = serve_tls(request_body: :pieces, max_body_bytes: '8m') do |request|
      request.respond 200, request.body.read.sum(32).to_s
    end
    body = Random.new(1).bytes(3 << 20)
    http = Net::HTTP.new('localhost', port)
    http.use_ssl = true
    http.ipaddr = '127.0.0.1'
    http.cert_store = context.cert_store
    assert_equal body.sum(32).to_s, within { http.start { http.post('/', body, 'Content-Type' => 'a/b').body } }
  end

  def test_an_echo_with_half_close_both_ways
    port = serve_tls do |request|
      request.hijack do |socket|
        socket.each_chunk { |bytes| socket << bytes }
        socket << 'the last word'
      end
    end
    client = connect_tls(port)
    client.write "GET / HTTP/1.1\r\nHost: me\r\n\r\nleft over"
    assert_equal 'left over', within { client.readpartial(100) }
    client.__send__(:stop) # close_notify; the other direction stays open
    assert_equal 'the last word', within { client.read }
  end

  def test_the_servers_half_close
    heard = Queue.new
    port = serve_tls do |request|
      request.hijack do |socket|
        socket << 'bye'
        socket.close_write
        heard << socket.read
      end
    end
    client = connect_tls(port)
    client.write "GET / HTTP/1.1\r\nHost: me\r\n\r\n"
    assert_equal 'bye', within { client.read }
    client.write 'still here'
    client.__send__(:stop)
    assert_equal 'still here', within { heard.pop }
  end

  def test_a_detached_connection_is_plain
    port = serve_tls do |request|
      io, unread = request.hijack.detach
      io.write "#{unread} by hand of a #{io.class}"
      io.close
    end
    client = connect_tls(port)
    client.write "GET / HTTP/1.1\r\nHost: me\r\n\r\n"
    assert_equal ' by hand of a UNIXSocket', within { client.read }
  end

  def test_a_websocket
    seen = nil
    port = serve_tls do |request|
      request.websocket { |ws| (seen = ws.url) && ws.each { |message| ws << message } }
    end
    client = within { WebSocketClient.new(connect_tls(port), '/a') }
    bytes = Random.new(1).bytes(1 << 20)
    client.text('hello')
    client.binary(bytes)
    assert_equal ['hello', bytes.hash, 'wss://test/a'], within { [client.receive, client.receive.hash, seen] }
    client.close(4000, 'bye')
    assert_equal [:close, 4000, 'bye'], within { client.receive }
    assert_equal '', within { client.rest }
  end

  def test_a_websocket_as_a_member
    server = new_server
    room = server.broadcaster
    server.hold '/ws', room, as: :websocket
    port = server.listen('127.0.0.1:0', tls: { cert: leaf.certificate, key: leaf.key })
    server.start
    client = within { WebSocketClient.new(connect_tls(port), '/ws') }
    eventually('a member') { room.count == 1 }
    room << 'to all'
    assert_equal 'to all', within { client.receive }
  end

  def test_a_reload
    port = serve_tls { |request| request.respond 200, 'same connection' }
    old = connect_tls(port)
    renewed = issue('server', signer: authority, serial: 2)
    Dir.mktmpdir do |folder|
      files = %w[chain.pem key.pem].map { |name| File.join(folder, name) }
      files.zip([renewed.certificate, renewed.key]) { |file, it| File.write(file, it.to_pem) }
      assert_same @server, @server.certificate(*files)
    end
    assert_equal [1, 2], [old.peer_cert.serial.to_i, serial_of(port)]
    old.write "GET / HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n"
    assert_match(/same connection\z/, within { old.read })
  end

  def test_several_names
    port = serve_tls {}
    other = issue('other', signer: authority, dns: ['other.example', '*.wild.example'], serial: 9)
    @server.certificate([other.certificate, authority.certificate], other.key)
    assert_equal [1, 1, 9, 9],
                 [nil, 'localhost', 'other.example', 'a.wild.example'].map { |name| serial_of(port, name: name) }
  end

  def test_a_client_certificate
    Dir.mktmpdir do |folder|
      ca = File.join(folder, 'ca.pem')
      File.write(ca, authority.certificate.to_pem)
      port = serve_tls({ client_verify: :require, client_ca: ca }) do |request|
        env = request.tls_env
        request.respond 200, [request.tls_subject, env['SSL_CLIENT_S_DN'], env['SSL_CLIENT_VERIFY'],
                              env['puma.peercert'].serial, request.tls_certificate == env['SSL_CLIENT_CERT']].join(' ')
      end
      ann = issue('Ann', signer: authority, serial: 5)
      assert_equal 'CN=Ann,O=us CN=Ann,O=us SUCCESS 5 true', get_tls(port, issued: ann).body
      assert_raises(OpenSSL::SSL::SSLError, Errno::ECONNRESET, EOFError) { get_tls(port) }
    end
  end

  # The address of a server by Ruby's openssl, which sends back a line of its one client.
  def echo_tls(issued, version)
    listener = TCPServer.new('127.0.0.1', 0)
    context = OpenSSL::SSL::SSLContext.new
    context.min_version = context.max_version = version
    context.add_certificate(issued.certificate, issued.key)
    @echoing = Thread.new do
      peer = OpenSSL::SSL::SSLSocket.new(listener.accept, context)
      peer.sync_close = true
      peer.accept
      peer << peer.gets
      peer.close
    rescue OpenSSL::SSL::SSLError
      peer.close # it is not trusted
    ensure
      listener.close
    end
    "tls:localhost:#{listener.addr[1]}"
  end

  def with_authority
    Dir.mktmpdir do |folder|
      ca = File.join(folder, 'ca.pem')
      File.write(ca, authority.certificate.to_pem)
      @server = new_server(connect_ca: ca).start
    end
  end

  def test_connecting
    with_authority
    %i[TLS1_2 TLS1_3].each do |version|
      address = echo_tls(leaf, version)
      @server.connect(address, timeout: PATIENCE) do |socket|
        socket.puts 'hello'
        assert_equal "hello\n", within { socket.read }
      end
      within { @echoing.join }
    end
  end

  def test_connecting_to_a_stranger
    with_authority
    { issue('server', signer: authority, dns: ['other.example']) => 'hostname mismatch',
      issue('server') => 'self-signed certificate' }.each do |issued, why|
      address = echo_tls(issued, :TLS1_3)
      error = assert_raises(Hijack::TLSError) { @server.connect(address, timeout: PATIENCE) }
      assert_equal "connect #{address}: certificate verify failed: #{why}", error.message
      assert_kind_of IOError, error
      within { @echoing.join }
    end
  end

  def test_what_cannot_be_used
    server = new_server
    other = issue('other', signer: authority)
    error = assert_raises(Hijack::TLSError) { server.certificate(leaf.certificate, other.key) }
    assert_match(/\Acertificate PEM text with key PEM text: TLS/, error.message)
    error = assert_raises(Hijack::NotFoundError) { server.certificate('/nowhere/chain.pem', leaf.key) }
    assert_match(%r{\Acertificate "/nowhere/chain.pem" with key PEM text: }, error.message)
    assert_raises(Hijack::TLSError) { server.certificate(leaf.certificate, leaf.key, staple: "\x30\x82\x00") }
    assert_raises(Hijack::InvalidError) { server.listen('127.0.0.1:0', tls: { cert: leaf.certificate }) }
    assert_raises(Hijack::OptionError) { server.listen('127.0.0.1:0', tls: { colour: 'red' }) }
    assert_raises(Hijack::OutOfRangeError) { server.listen('127.0.0.1:0', tls: { min_version: '1.1' }) }
    assert_empty server.addresses
    server.listen('127.0.0.1:0', tls: true)
    assert_raises(Hijack::TLSError) { server.start }
  end
end
