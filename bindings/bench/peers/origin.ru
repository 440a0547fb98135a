# frozen_string_literal: true

# The double hijack of the origin, under Puma: rack.hijack takes the socket, the program writes the head and keeps the
# socket in an array, and one thread writes to all of them, one after the other. A write waits until the client takes
# it. Here the thread waits for GET /publish?n=COUNT&bytes=BYTES where the origin slept between two runs.
SOCKETS = []
LOCK = Mutex.new
RUNS = Thread::Queue.new
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

Thread.new do
  loop do
    text = RUNS.pop
    LOCK.synchronize do
      SOCKETS.reject! do |io|
        io.write "data: #{text}\n\n"
        false
      rescue IOError, SystemCallError
        true
      end
    end
  end
end

run(lambda do |env|
  if env['PATH_INFO'] == '/publish'
    count, bytes = env['QUERY_STRING'].scan(/\d+/).map(&:to_i)
    count.times { RUNS << "#{'x' * (bytes - 1)}!" }
    [200, { 'Content-Length' => '0' }, []]
  else
    io = env['rack.hijack'].call
    io.write HEAD
    LOCK.synchronize { SOCKETS << io }
    [200, {}, []]
  end
end)
