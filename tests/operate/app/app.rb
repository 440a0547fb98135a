# frozen_string_literal: true

require 'hijack_ffi'

# What is so now, and may become less; everything else counts up.
GAUGES = %i[connections reading http streams sockets held memberships events_queued backlog_bytes relayed].freeze

def metrics(server)
  server.stats.map do |name, value|
    type, suffix = GAUGES.include?(name.to_sym) ? ['gauge', ''] : %w[counter _total]
    "# TYPE hijack_#{name}#{suffix} #{type}\nhijack_#{name}#{suffix} #{value}\n"
  end.join
end

stopping = false
trap(:TERM) { stopping = true }

server = Hijack::Server.new
clients = server.broadcaster
server.hold '/events', clients, as: :sse
server.listen ENV.fetch('LISTEN', '127.0.0.1:8080')

server.start do |request|
  case request.path
  when '/healthz' then request.respond 200, "ok\n"
  when '/metrics' then request.respond 200, metrics(server), 'content-type' => 'text/plain; version=0.0.4'
  else request.respond 404
  end
end

until stopping
  clients << Time.now.to_i
  sleep 1
end
server.drain(Float(ENV.fetch('DRAIN_SECONDS', '20'))).wait
