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
      GC.stress = true
      Hijack::Server.open(threads: 1, workers: 1) do |server|
        clients = server.broadcaster(overflow: :latest)
        server.hold '/held', clients, headers: { 'x' => 'y' }
        port = server.listen('127.0.0.1:0')
        server.start do |request|
          case request.path
          when '/sse' then request.sse { |stream| stream.send_event 'data', id: 1 }
          when '/echo' then request.hijack { |socket| socket << socket.gets << socket.read }
          else request.respond 200, request.headers.to_h.inspect, 'a' => 'b'
          end
        end
        texts = [ask(port, '/'), ask(port, '/sse'), ask(port, '/echo', "line\\nrest")]
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
    assert_equal ['{"host"=>"x", "connection"=>"close"}', '0', 'rest', 'message'],
                 output.lines(chomp: true)
  end
end
