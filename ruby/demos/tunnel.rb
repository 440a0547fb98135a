# frozen_string_literal: true

# A tunnel: any TCP connection through one of HTTP, to targets that the program allows. What it answers is at the top of
# demos/tunnel.c.
#
# A request that waits for its target has a thread; the pair of client and target, which the library relays, has neither
# a thread nor an object.
require 'hijack_ffi'
require 'openssl'
require 'uri'
require_relative 'common'

USAGE = <<~TEXT
  A tunnel with libhijack. This page is the target that it allows without TUNNEL_ALLOW.

  Make a local port of it, with the Go or the Python client:
      hijack-tunnel -L 8080:%<own>s %<scheme>s://%<own>s/tunnel
      python3 -m hijack_ffi.tunnel -L 8080:%<own>s %<scheme>s://%<own>s/tunnel
  and open %<scheme>s://127.0.0.1:8080/ beside it.
TEXT

TOKEN = ENV.fetch('TUNNEL_TOKEN', '')

def items(values)
  values.flat_map { |value| value.downcase.split(',') }.map(&:strip).reject(&:empty?)
end

def carrier_of(request)
  if request.request_method == 'CONNECT' then :connect
  elsif request.websocket? then :websocket
  elsif items(request.headers.values('upgrade')).include?('purr') &&
        items(request.headers.values('connection')).include?('upgrade') then :purr
  end
end

def target_of(request, carrier)
  return request.target if carrier == :connect

  target = URI.decode_www_form(request.query || '').assoc('target')&.last
  target unless target.nil? || target.empty? || target.include?("\0")
rescue ArgumentError # bytes that are not ASCII
  nil
end

def token?(header)
  scheme, _, given = header.to_s.partition(' ')
  TOKEN.empty? || (scheme.casecmp?('bearer') && OpenSSL.secure_compare(given, TOKEN))
end

# Status, sentence and headers for what is wrong with the request; nil if nothing is.
def problem(request, carrier, target, allowed)
  connect = carrier == :connect
  if !token?(request.headers[connect ? 'proxy-authorization' : 'authorization'])
    [connect ? 407 : 401, 'The token is missing or wrong.', { "#{connect ? 'proxy' : 'www'}-authenticate" => 'Bearer' }]
  elsif target.nil? then [400, 'Expected /tunnel?target=HOST:PORT.', {}]
  elsif !connect && request.request_method != 'GET' then [405, 'Open a tunnel with GET.', { 'allow' => 'GET' }]
  elsif carrier.nil?
    [426, 'A tunnel needs HTTP/1.1 with Upgrade: purr or websocket.', { 'upgrade' => 'purr, websocket' }]
  elsif !allowed.include?(target.downcase) then [403, 'This target is not allowed.', {}]
  end
end

# The client's side, once the target is connected.
def accept(request, carrier)
  case carrier
  when :websocket then request.websocket(protocol: %w[purr])
  when :purr then request.hijack_partial(101, 'connection' => 'Upgrade', 'upgrade' => 'purr')
  else request.hijack_partial(200)
  end
end

# Nobody is left to be told of an error once the target is connected: a client whose handshake is wrong has its answer,
# and one that has gone needs none.
def open_tunnel(server, request, carrier, target)
  far = server.connect(target)
  near = accept(request, carrier)
  near.relay(far)
rescue Hijack::Error, SystemCallError => e
  [near, far].each { |it| it&.abort }
  far ? request.free : unreachable(request, target, e)
end

def unreachable(request, target, error)
  request.respond error.is_a?(Hijack::TimedOutError) ? 504 : 502, "Cannot connect to #{target}: #{error.message}.\n",
                  Demo::TEXT
rescue Hijack::Error
  request.free # the client did not wait
end

def begin_tunnel(server, request, allowed)
  carrier = carrier_of(request)
  target = target_of(request, carrier)
  status, sentence, headers = problem(request, carrier, target, allowed)
  if status
    request.respond status, "#{sentence}\n", Demo::TEXT.merge(headers)
  else
    Thread.new { open_tunnel(server, request, carrier, target) }
  end
end

def answer(server, request, own, allowed)
  if request.request_method == 'CONNECT' || request.path == '/tunnel' then begin_tunnel(server, request, allowed)
  elsif request.path != '/' then request.respond 404, "Only / and /tunnel are here.\n", Demo::TEXT
  else request.respond 200, format(USAGE, own: own, scheme: Demo.tls ? 'https' : 'http'), Demo::TEXT
  end
rescue Hijack::Error # the client did not wait
  request.free
end

Demo.prepare
Hijack::Server.open(connect_method: 'on') do |server|
  port = server.listen("127.0.0.1:#{Demo.port}", tls: Demo.tls)
  own = "127.0.0.1:#{port}"
  allowed = items([ENV.fetch('TUNNEL_ALLOW', '')])
  allowed = [own] if allowed.empty?
  puts "#{Demo.tls ? 'https' : 'http'}://#{own}/"
  server.each_request { |request| answer(server, request, own, allowed) }
end
