# frozen_string_literal: true

# Puma with its demo, as the conformance suite starts a demo: puma.rb <port>. It prints its address, and nothing else.
require 'puma'
require 'puma/configuration'
require 'puma/launcher'

configuration = Puma::Configuration.new do |puma|
  puma.rackup File.expand_path('../../../ruby/demos/puma/config.ru', __dir__)
  puma.bind "tcp://127.0.0.1:#{Integer(ARGV.fetch(0))}"
  puma.threads 2, 2
  puma.workers 0
  puma.raise_exception_on_sigterm false
end
launcher = Puma::Launcher.new(configuration, events: Puma::Events.null)
launcher.events.on_booted { $stdout.syswrite("http://127.0.0.1:#{launcher.connected_ports.first}/\n") }
launcher.run
