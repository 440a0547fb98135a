# frozen_string_literal: true

# The double hijack: every connection is held for good, and all of them get BEEP every three seconds.
#
#     /     answers with a head, so that "curl -N" shows what comes
#     /raw  answers with nothing but BEEP: not even a head is written
#
# Both routes lead straight to the broadcaster; no request comes up here. BEEP_INTERVAL_MS changes the three seconds.
# After each run a line says how many clients are connected, how long writing to all of them took, and how much memory
# the process has resident.
require 'hijack_ffi'
require_relative 'common'

LONGEST_RUN = 2 # seconds; a run that is not over by then is reported as it stands

# Copies that need no more waiting for: written, dropped, or of a member that has gone.
def settled(server)
  server.stats.values_at(:delivered, :dropped, :closed_peer, :closed_timeout, :closed_slow).sum
end

# Publish itself takes microseconds and waits for nobody; what is measured is how long the library's threads write.
def beep(server, clients)
  before = settled(server)
  start = Demo.now
  addressed = clients.publish("BEEP\n")
  sleep 0.001 while settled(server) - before < addressed && Demo.now - start < LONGEST_RUN
  [addressed, (Demo.now - start) * 1000]
end

def resident_mib
  File.read('/proc/self/status')[/VmRSS:\s+(\d+) kB/, 1].to_f / 1024
end

interval = Demo.env('BEEP_INTERVAL_MS', 3000, 1..3_600_000) / 1000.0
Demo.prepare
Hijack::Server.open do |server|
  clients = server.broadcaster
  server.hold '/', clients, as: :stream, headers: Demo::TEXT
  server.hold '/raw', clients, as: :raw
  Demo.start server

  Demo.every(interval) do
    addressed, took = beep(server, clients)
    puts format('BEEP to %d clients in %.1f ms, %.1f MiB resident', addressed, took, resident_mib)
  end
end
