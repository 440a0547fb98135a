# frozen_string_literal: true

# Raw hijack: taking the connection itself out of a request.
#
#     /         a page that says what to try
#     /hijack   full: the library writes nothing, this program writes a whole response by hand, then echoes
#     /partial  partial: the library writes status and headers, this program writes lines over time and closes
#     /detach   the descriptor itself is handed over, as a TCPSocket
#
# A hijacked connection has a thread of its own here, which is the simplest; docs/reference/ruby.md says what
# suits thousands.
require 'hijack_ffi'
require_relative 'common'

HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
PAGE = <<~TEXT
  Raw hijack with libhijack. PORT is the port of this page.

  Full: a response by hand, then an echo of what you send, until you end (Ctrl-D):
      { printf 'GET /hijack HTTP/1.1\\r\\nHost: me\\r\\n\\r\\n'; cat; } | nc -N 127.0.0.1 PORT

  Partial: the head is the library's, the lines come one by one:
      curl -iN http://127.0.0.1:PORT/partial

  Detached: the response is written with write(2) on the descriptor itself:
      curl -i http://127.0.0.1:PORT/detach
TEXT

# Runs the block for the socket in a thread, and closes it then. A client that goes meanwhile is everyday life.
def with(socket)
  Thread.new do
    yield socket
  rescue Hijack::Error, SystemCallError
    nil
  ensure
    socket.close
  end
end

# What is written waits for a slow client, and while it waits nothing is read: the echo needs no buffer of its own.
def full(socket)
  socket << HEAD << "This program wrote every byte of this response. Send something, it comes back.\n"
  socket.each_chunk { |bytes| socket << bytes }
end

def partial(socket)
  1.upto(10) do |number|
    sleep 0.2
    socket << "line #{number} of 10\n"
  end
end

# From here on the descriptor is ours; what the client sent after its request would be in the second value.
def detach(socket)
  io, _unread = socket.detach
  io.write HEAD, "Written with write(2).\n"
ensure
  io&.close
end

def answer(request)
  case request.path
  when '/' then request.respond 200, PAGE, Demo::TEXT
  when '/hijack' then with(request.hijack) { |socket| full(socket) }
  when '/partial' then with(request.hijack_partial(200, 'content-type' => 'text/plain')) { |socket| partial(socket) }
  when '/detach' then with(request.hijack) { |socket| detach(socket) }
  else request.respond 404, "Only /, /hijack, /partial and /detach are here.\n", Demo::TEXT
  end
rescue Hijack::NotSupportedError # many requests share a connection of HTTP/2
  request.respond 505, "Taking a connection needs HTTP/1.1.\n", Demo::TEXT
end

Demo.prepare
Hijack::Server.open do |server|
  Demo.start(server) { |request| answer(request) }
  server.wait
end
