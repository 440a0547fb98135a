# frozen_string_literal: true

module Hijack
  # Sends one message to any number of connections, in one call that never waits. Cheap: make one for each user or room,
  # with {Server#broadcaster}. Any thread may use it.
  #
  # Its members are held by the library: no object of Ruby stands for one.
  class Broadcaster
    # @api private
    def initialize(handles, queue, **options)
      @handles = handles
      @queue = queue
      Thread.handle_interrupt(Object => :never) do
        @handle = C.make('broadcaster') { |out| handles.shut(C.broadcaster_new(out, handles.server)) }
        handles.broadcasters << @handle
        ObjectSpace.define_finalizer(self, handles.release(@handle))
      end
      set(**options)
      made = true
    ensure
      free if @handle && !made
    end

    # Sends data to every member: as it is to raw and stream members, as one SSE event to SSE members, as
    # one message to WebSocket members.
    # @param data [#to_s, nil] a String of bytes (Encoding::BINARY) is a binary message, any other one a text
    # @param event [#to_s, nil] SSE: its type
    # @param id [#to_s, nil] SSE: what the client's Last-Event-ID will be; '' makes the client forget it
    # @param key [#to_s, nil] with overflow: :latest, an unsent message is replaced by a newer one of the same key
    # @param retry [Integer, nil] SSE: the time the client waits before it connects again, in milliseconds
    # @return [Integer] how many members it was addressed to
    # @raise [WouldBlockError] 256 MiB of messages wait for the server's threads
    # @raise [InvalidError, TooBigError, StateError, ShutdownError]
    def publish(data, event: nil, id: nil, key: nil, retry: nil)
      milliseconds = binding.local_variable_get(:retry)
      result = if event || id || key || milliseconds
                 fields = [event, id, data, key].flat_map { |text| Text.sized(text) }
                 C.broadcaster_publish_sse(@handle, *fields, milliseconds || -1)
               else
                 C.broadcaster_publish(@handle, Text.kind(data), *Text.sized(data))
               end
      check(result, 'publish')
    end

    # @param data [Connection, #to_s] a {Stream}, {Socket} or {WebSocket} becomes a member, as by {#add}; anything else
    #   is sent, as by {#publish}
    # @return [self]
    # @raise as {#add} and {#publish}
    def <<(data)
      data.is_a?(Connection) ? add(data) : publish(data)
      self
    end

    # Makes a stream, socket or WebSocket of the same server a member. {Connection#release} then releases its object.
    # @param connection [Stream, Socket, WebSocket]
    # @return [self]
    # @raise [StateError] a member already
    # @raise [InvalidError] another server's, or a stream with a Content-Length
    # @raise [ClosedError]
    def add(connection)
      member(connection, 'add') do
        connection.share
        C.broadcaster_add(@handle, connection.handle, 0, *Text::NONE)
      end
      connection.listen
      self
    end

    # Ends a membership; the connection stays.
    # @param connection [Stream, Socket, WebSocket]
    # @return [self]
    # @raise [StateError] no member
    # @raise [InvalidError, ClosedError]
    def remove(connection)
      member(connection, 'remove') { C.broadcaster_remove(@handle, connection.handle) }
      self
    end

    # Takes a connection of another server as a member. io is closed by that, which its peer does not notice; when it
    # fails, io is as it was. What the peer has sent is dropped, as all that a member sends. A client that has already
    # left is not an error.
    # @param io [IO, #to_io] a connected socket, TCP or unix, without TLS
    # @param as [:sse, :stream, :raw, :sse_body, :websocket_open] what is written first, and how messages are;
    #   :sse_body if the other server has written the head, :websocket_open if it has done the handshake without
    #   an extension
    # @param headers [Hash, Array, nil] are added to the head, as those of {Server#adopt_request}
    # @return [self]
    # @raise [InvalidError, NotSocketError, HeaderError, StateError, ShutdownError, LimitError]
    def adopt(io, as: :sse, headers: nil)
      kind = Adopt.kind(as)
      flat = Headers.block(RackRequest.preset(headers)&.except(*RackRequest::OWN[kind]))
      Adopt.take(io) do |fd|
        result = C.broadcaster_adopt(@handle, fd, kind, 0, flat, flat.bytesize, *Text::NONE, *Text::NONE)
        check(result, 'adopt') unless result == C::ERESET
      end
      self
    end

    # Sets options, for messages published afterwards.
    # @param options [Hash{Symbol => #to_s}] by name: those of a broadcaster in docs/reference/options.md
    # @return [self]
    # @raise [OptionError, OutOfRangeError]
    def set(**options)
      options.each { |name, value| self[name] = value }
      self
    end

    # @param name [Symbol, String] an option
    # @param value [#to_s]
    # @raise [OptionError, OutOfRangeError]
    def []=(name, value)
      Options.set('broadcaster', name, value) { |*texts| @handles.shut(C.broadcaster_set(@handle, *texts)) }
    end

    # @return [Integer] members now
    # @raise [ClosedError]
    def count
      check(C.broadcaster_count(@handle), 'count')
    end
    alias size count

    # @return [Hash{Symbol => Integer}] members, published, delivered, dropped, closed
    # @raise [ClosedError]
    def stats
      C.numbers(C::BROADCASTER_STATS, 'stats') { |*out| check(C.broadcaster_stats(*out, @handle), 'stats') }
    end

    # Ends every member gracefully, after what was published before. The broadcaster remains usable.
    # @return [nil]
    # @raise [ClosedError, ForkError]
    def close
      check(C.broadcaster_close(@handle), 'close')
      nil
    end

    # Calls the block with each message of a WebSocket member that has no object of Ruby: held, or released. The thread
    # that takes events calls it, with one message after the other, so it must not wait; when it fails,
    # {Server#on_error} gets the error. {Server#start} replaces a thread that the block ends; {Server#run} takes events
    # in the calling thread, and the server stops when that is ended. A second block replaces the first. Without one,
    # what such members send is thrown away.
    #
    #   room.on_message { |message| room << message } # a chat
    # @yieldparam message [String] UTF-8 or binary
    # @return [self]
    # @raise [ClosedError]
    def on_message(&block)
      raise InvalidError, 'on_message: a block is expected, and none was given' unless block

      handle = open_handle('on_message')
      @on_message = block
      @queue.listen(handle, self)
      self[:member_messages] = :deliver
      self
    end

    # @param data [String] 8 bytes of user_data, which is 0, before the message
    # @api private
    def on_member_message(data, kind)
      message = data.byteslice(8..)
      message.force_encoding(Encoding::UTF_8) if kind == C::MESSAGE_TEXT
      @queue.guard(self) { @on_message.call(message) }
    end

    # The server's end.
    # @api private
    def on_closed(_status); end

    # It has no connection of its own.
    # @api private
    def own?(_source)
      false
    end

    # Gives it back to the library; members stay connected until they leave or the server stops. The collector does this
    # with a broadcaster that the program has dropped, unless it has {#on_message}, and so does the server's end.
    # @return [nil]
    def free
      @freed = true
      @queue.forget(@handle)
      @handles.release(@handle).call
    end

    # @return [String]
    def inspect
      "#<#{self.class} #{@freed ? 'freed' : format('%#x', @handle)}>"
    end

    # @return [Integer] its handle
    # @raise [InvalidError, ClosedError] what is not a broadcaster, or was freed
    # @api private
    def self.handle(broadcaster, what)
      return broadcaster.open_handle(what) if broadcaster.respond_to?(:open_handle)

      raise InvalidError, "#{what}: expected a Hijack::Broadcaster (got #{broadcaster.inspect})"
    end

    # @api private
    def open_handle(what)
      @freed ? check(C::EHANDLE, what) : @handle
    end

    private

    def member(connection, what)
      unless connection.is_a?(Connection)
        raise InvalidError, "#{what}: expected a Stream, Socket or WebSocket (got #{connection.inspect})"
      end

      open_handle(what)
      result = yield
      connection.refuse(result, what) if result.negative?
    end

    def check(result, what)
      result = @handles.shut(result)
      raise ClosedError, "#{what}: this broadcaster has been freed" if result == C::EHANDLE

      C.check(result, what)
    end
  end
end
