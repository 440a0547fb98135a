# frozen_string_literal: true

require 'puma'
require 'puma/server'
require_relative 'support'

# Puma in this process, where a test sees its objects and gives it middleware.
module PumaHere
  def puma(app)
    new = defined?(Puma::LogWriter) # Puma 6
    log = (new ? Puma::LogWriter : Puma::Events).strings
    server = Puma::Server.new(app, new ? nil : log, min_threads: 1, max_threads: 2, log_writer: log)
    port = server.add_tcp_listener('127.0.0.1', 0).addr[1]
    server.run
    yield port, server
    assert_empty log.stderr.string
  ensure
    server&.stop(true)
  end
end
