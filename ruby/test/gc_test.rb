# frozen_string_literal: true

require_relative 'support'

# With a collection at every chance.
class GcTest < HijackTest
  def test_a_small_scenario_under_stress
    program = <<~RUBY
      require 'hijack_ffi'
      require 'socket'
      def ask(port, path, rest = '')
        TCPSocket.open('127.0.0.1', port) do |client|
          client.write "GET \#{path} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n\#{rest}"
          client.close_write unless path == '/sse'
          client.read
        end
      end
      def talk(port, path)
        TCPSocket.open('127.0.0.1', port) do |client|
          client.write "GET \#{path} HTTP/1.1\\r\\nHost: x\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n" \\
                       "Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n" \\
                       "\\x81\\x84\\0\\0\\0\\0text\\x88\\x80\\0\\0\\0\\0"
          client.read[/text/]
        end
      end
      GC.stress = true
      Hijack::Server.open(threads: 1, workers: 1) do |server|
        clients = server.broadcaster(overflow: :latest)
        server.hold '/held', clients, headers: { 'x' => 'y' }
        port = server.listen('127.0.0.1:0')
        server.start do |request|
          case request.path
          when '/sse' then request.sse { |stream| stream.send_event 'data', id: 1 }
          when '/echo' then request.hijack { |socket| socket << socket.gets << socket.read }
          when '/each' then request.websocket { |ws| ws.each { |message| ws << message } }
          when '/blocks'
            ws = request.websocket
            ws.on_message { |message| ws << message }
          else request.respond 200, request.headers.to_h.inspect, 'a' => 'b'
          end
        end
        texts = [ask(port, '/'), ask(port, '/sse'), ask(port, '/echo', "line\\nrest"), talk(port, '/each'),
                 talk(port, '/blocks')]
        ours, theirs = UNIXSocket.pair
        clients.adopt ours, as: :raw
        clients.publish 'message', key: 'k'
        texts << theirs.readpartial(7)
        GC.stress = false
        GC.compact
        puts texts.map { |text| text.lines.map(&:strip).reject(&:empty?).last }
        server.stats
      end
    RUBY
    output, = ruby(program, '--disable=did_you_mean,error_highlight', patience: 300)
    assert_equal ['{"host"=>"x", "connection"=>"close"}', '0', 'rest', 'text', 'text', 'message'],
                 output.lines(chomp: true)
  end
end
