# frozen_string_literal: true

module Hijack
  # Sends one message to any number of connections, in one call that never waits. Cheap: make one for each user or room,
  # with {Server#broadcaster}. Any thread may use it.
  #
  # Its members are held by the library: no object of Ruby stands for one.
  class Broadcaster
    # More than a position has.
    POSITION_BYTES = 128
    PRESENCE = Mutex.new # guards the making of a Presence: few broadcasters have one
    private_constant :POSITION_BYTES, :PRESENCE

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

    # Answers all requests that wait here (as: :long_poll) with this response; other members get nothing, and the
    # history keeps nothing. For answers whose headers are not known before: else the first message is the answer.
    # @param status [Integer] 200 to 999
    # @param body [String] must be empty with 204, 205 and 304
    # @param headers [Hash, Array, nil] Date, Content-Length and Connection are the library's
    # @return [Integer] how many members there were, of all kinds
    # @raise [HeaderError, InvalidError, TooBigError, WouldBlockError, StateError, ShutdownError]
    def respond(status = 200, body = '', headers: nil)
      raise InvalidError, "respond: body: expected a String (got #{body.inspect[0, 80]})" unless body.is_a?(String)

      block = Headers.block(headers, {})
      result = C.broadcaster_respond(@handle, status, block, block.bytesize, body, body.bytesize)
      check(result, 'respond to members')
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
    # @param user [Integer, String, nil] as {Request#hold}
    # @param position [String, nil] as {Request#hold}, without the client's Last-Event-ID
    # @return [self]
    # @raise [StateError] a member already; a position, and there is no history
    # @raise [InvalidError] another server's, or a stream with a Content-Length; user or position
    # @raise [ClosedError]
    def add(connection, user: nil, position: nil)
      user = Newcomer.user(user, 'add')
      position = Newcomer.position(position, @handle, 'add')
      member(connection, 'add') do
        connection.share
        C.broadcaster_add(@handle, connection.handle, user, *position)
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
    # @param user [Integer, String, nil] as {Request#hold}
    # @param first [String, nil] as {Request#hold}
    # @param position [String, nil] as {Request#hold}, without the client's Last-Event-ID
    # @return [self]
    # @raise [InvalidError, NotSocketError, HeaderError, StateError, ShutdownError, LimitError]
    def adopt(io, as: :sse, headers: nil, user: nil, first: nil, position: nil)
      kind = Adopt.kind(as)
      flat = Headers.block(RackRequest.preset(headers)&.except(*RackRequest::OWN[kind]))
      user = Newcomer.user(user, 'adopt')
      start = [*Newcomer.first(first, kind, 'adopt'), *Newcomer.position(position, @handle, 'adopt')]
      Adopt.take(io) do |fd|
        result = C.broadcaster_adopt(@handle, fd, kind, user, flat, flat.bytesize, *start)
        check(result, 'adopt') unless result == C::ERESET
      end
      self
    end

    # Sends data to the connections of one user alone, in the form of each, as {#publish}. It is not kept in the
    # history. That the user has no connection here is not an error.
    # @param user [Integer, String] as {Request#hold}, and not nobody
    # @param data [#to_s, nil] as {#publish}
    # @return [self]
    # @raise [WouldBlockError] 256 MiB of messages wait for the server's threads
    # @raise [InvalidError, TooBigError, StateError, ShutdownError]
    def publish_to(user, data)
      number = Newcomer.user(user, 'publish_to', 1)
      check(C.broadcaster_send_user(@handle, number, Text.kind(data), *Text.sized(data)), 'publish_to')
      self
    end

    # Ends the memberships of a user here. A connection without an object that is in no other broadcaster ends.
    # @param user [Integer, String] as {#publish_to}
    # @return [self]
    # @raise [InvalidError, StateError, ShutdownError]
    def remove_user(user)
      check(C.broadcaster_remove_user(@handle, Newcomer.user(user, 'remove_user', 1)), 'remove_user')
      self
    end

    # Ends the connections of a user gracefully, after what was published before.
    # @param user [Integer, String] as {#publish_to}
    # @return [self]
    # @raise [InvalidError, StateError, ShutdownError]
    def close_user(user)
      check(C.broadcaster_close_user(@handle, Newcomer.user(user, 'close_user', 1)), 'close_user')
      self
    end

    # Makes the connections that a user has in another broadcaster members of this one as well. To move the user, call
    # {#remove_user} of the other one afterwards.
    # @param user [Integer, String] as {#publish_to}
    # @param from [Broadcaster] of the same server
    # @return [self]
    # @raise [InvalidError, StateError, ShutdownError, ClosedError]
    def join_user(user, from:)
      number = Newcomer.user(user, 'join_user', 1)
      other = Broadcaster.handle(from, 'join_user: from')
      check(C.broadcaster_join_user(@handle, other, number), 'join_user')
      self
    end

    # Where the history is now: a newcomer that is given this position gets all that is published after this call.
    #
    #   position = room.position
    #   request.hold room, first: Hijack.event(snapshot), position: position # nothing is lost, nothing comes twice
    # @return [String] of the newest message
    # @raise [StateError] there is no history: option history_messages
    # @raise [ClosedError]
    def position
      out = FFI::MemoryPointer.new(:char, POSITION_BYTES)
      check(C.broadcaster_position(out, POSITION_BYTES, @handle), 'position')
      out.read_string.force_encoding(Encoding::UTF_8)
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
      presence('option member_events') if name.to_s == 'member_events' # counted from the beginning
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
    # @yieldparam user [Integer] whose connection has sent it, 0: nobody's
    # @return [self]
    # @raise [ClosedError]
    def on_message(&block)
      block = Callback.lenient(block, 'on_message')
      handle = open_handle('on_message')
      @on_message = block
      @queue.listen(handle, self)
      self[:member_messages] = :deliver
      self
    end

    # Calls the block with each member that joins, beginning with those that are there when the program first asks for
    # members; a connection without an object as well as one that is added. It runs as the block of {#on_message}, so it
    # must not wait. A second block replaces the first.
    #
    #   room.on_join { |user| room << "#{user} is here" if room.members[user] == 1 }
    # @yieldparam user [Integer] whose connection it is, 0: nobody's
    # @return [self]
    # @raise [InvalidError, ClosedError, ShutdownError]
    def on_join(&block)
      block = Callback.lenient(block, 'on_join')
      presence('on_join').on_join = block
      count_members
      self
    end

    # Calls the block with each member that has left, whatever ended the membership; otherwise as {#on_join}.
    # @yieldparam user [Integer] as for {#on_join}
    # @yieldparam reason [Exception, nil] nil if the client ended it, or the program; else as {Lifetime#close_reason}
    # @return [self]
    # @raise [InvalidError, ClosedError, ShutdownError]
    def on_leave(&block)
      block = Callback.lenient(block, 'on_leave')
      presence('on_leave').on_leave = block
      count_members
      self
    end

    # Who is here. It is exact as soon as the events of the members have been taken; in a block of {#on_join} and
    # {#on_leave} it is as of that member. The first call switches the option member_events on, and so do {#on_join} and
    # {#on_leave}: the first result may be empty, and a program that calls none of them pays for none.
    # @return [Hash{Integer => Integer}] by user how many connections; 0: nobody's
    # @raise [ClosedError, ShutdownError]
    def members
      found = presence('members')
      count_members
      found.members
    end

    # @api private
    def on_members(records)
      @presence&.take(records)
    end

    # @param data [String] 8 bytes of user_data before the message
    # @api private
    def on_member_message(data, kind)
      return unless @on_message # the program has set the option, and something else listens

      message = data.byteslice(8..)
      message.force_encoding(Encoding::UTF_8) if kind == C::MESSAGE_TEXT
      @queue.guard(self) { @on_message.call(message, data.unpack1('Q')) }
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
    # with a broadcaster that the program has dropped, unless it has {#on_message} or counts its {#members}, and so does
    # the server's end.
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

    # What counts the members; the event queue knows of it before the first event comes.
    def presence(what)
      handle = open_handle(what)
      PRESENCE.synchronize { @presence ||= Presence.new(@queue, self).tap { @queue.listen(handle, self) } }
    end

    def count_members
      return if @counts_members

      self[:member_events] = true
      @counts_members = true
    end

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
