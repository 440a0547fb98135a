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

interval = Demo.env('BEEP_INTERVAL_MS', 3000, 1..3_600_000) / 1000.0
Demo.prepare
Hijack::Server.open do |server|
  clients = server.broadcaster
  server.hold '/', clients, as: :stream, headers: Demo::TEXT
  server.hold '/raw', clients, as: :raw
  Demo.start server

  Demo.every(interval) do
    addressed, took = Demo.run(server, LONGEST_RUN) { clients.publish("BEEP\n") }
    puts format('BEEP to %d clients in %.1f ms, %.1f MiB resident', addressed, took, Demo.resident_mib)
  end
end
