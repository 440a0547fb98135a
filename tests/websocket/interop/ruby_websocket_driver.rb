# A client by Ruby's websocket-driver; see ../interop.py. Usage: ruby_websocket_driver.rb URL plain
# frozen_string_literal: true

require 'socket'
require 'timeout'
require 'uri'
require 'websocket/driver'

TEXTS = ['', 'Grüße, 世界 🌍', '€' * 50_000].freeze
SIZES = [0, 1, 125, 126, 65_535, 65_536, 1 << 20].freeze

# What the driver writes to.
Wire = Struct.new(:url, :socket) do
  def write(data) = socket.write(data)
end

def same(what, got, expected)
  abort "#{what}: #{got.inspect[0, 200]}, expected #{expected.inspect[0, 200]}" unless got == expected
end

# The events of the driver, one by one, as arrays that begin with their names.
class Client
  def initialize(url)
    uri = URI(url)
    @wire = Wire.new(url, TCPSocket.new(uri.host, uri.port))
    @driver = WebSocket::Driver.client(@wire, max_length: 1 << 25)
    @events = []
    @driver.on(:open) { @events << [:open] }
    @driver.on(:message) { |event| @events << [:message, event.data] }
    @driver.on(:close) { |event| @events << [:close, event.code, event.reason] }
    @driver.on(:error) { |event| @events << [:error, event.message] }
    @driver.start
  end

  attr_reader :driver, :events

  def next
    @driver.parse(@wire.socket.readpartial(1 << 16)) while @events.empty?
    @events.shift
  end
end

def talk(client)
  same('the handshake', client.next, [:open])
  TEXTS.each do |text|
    client.driver.text(text)
    same("echo of #{text.length} of text", client.next, [:message, text])
  end
  SIZES.each do |size|
    bytes = Array.new(size) { |i| i * i % 251 }
    client.driver.binary(bytes)
    name, data = client.next
    same("echo of #{size} of bytes", [name, data.is_a?(String) ? data.bytes : data], [:message, bytes])
  end
  ['', 'ping', 'x' * 125].each do |payload|
    client.driver.ping(payload) { client.events << [:pong] }
    same("pong to #{payload.length} bytes", client.next, [:pong])
  end
  client.driver.close('bye', 4001)
  same('the Close that came', client.next, [:close, 4001, 'bye'])
end

begin
  Timeout.timeout(10) { talk(Client.new(ARGV[0])) }
rescue StandardError => e
  abort "#{e.message} (#{e.backtrace.grep(/in `talk'/).first})"
end
