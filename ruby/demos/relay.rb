# frozen_string_literal: true

# A proxy for TCP: every connection is relayed to the address in the variable RELAY_TARGET, "host:port" or "unix:/path".
# The library moves the bytes, its threads alone; this program accepts, pairs, and forgets.
#
# Without RELAY_TARGET the other side is here too: Server-Sent Events, a BEEP every second. "curl -N" shows them through
# the proxy. If the target cannot be reached, the client is reset, and a line on stderr says why.
require 'hijack_ffi'
require 'socket'
require_relative 'common'

def relay(server, connection, target)
  client = server.adopt(connection)
  server.connect(target) { |origin| client.relay(origin) } # a pair outlives the block
rescue Hijack::ShutdownError
  nil # the program ends
rescue Hijack::Error => e
  client.abort
  warn e.message if e.message.start_with?('connect') # else the client has left meanwhile
end

# A target of our own, on a free port.
def beeper(server)
  clients = server.broadcaster
  server.hold '/', clients, as: :sse
  [clients, "127.0.0.1:#{server.listen('127.0.0.1:0')}"]
end

# A plain listener, since the library's own speak HTTP.
def listen(port)
  TCPServer.new('127.0.0.1', port).tap { |listener| listener.listen(4096) }
rescue SystemCallError => e
  abort "127.0.0.1:#{port}: #{e.message}"
end

Demo.prepare
listener = listen(Demo.port)
Hijack::Server.open do |server|
  target = ENV.fetch('RELAY_TARGET', '')
  clients, target = beeper(server) if target.empty?
  server.start
  puts "relays 127.0.0.1:#{listener.addr[1]} to #{target}"
  puts "try: curl -N http://127.0.0.1:#{listener.addr[1]}/" if clients
  Thread.new { Demo.every(1) { clients.publish('BEEP') } } if clients

  # A thread for each client until the target is open; afterwards the pair costs no thread.
  loop { Thread.new(listener.accept) { |connection| relay(server, connection, target) } }
end
