# frozen_string_literal: true

require 'socket'

module Hijack
  # The connection itself, from {Request#hijack}, {Request#hijack_partial}, {Server#connect} or {Server#adopt}; it reads
  # and writes like an IO. Bytes come as binary Strings. At most 64 KiB are read ahead of the program, so a peer waits
  # in TCP for one that does not read. Several threads may write, one at a time should read.
  class Socket < Connection
    include Reader
    include Printing
    include Relay

    # @return [String] the other end, as {Request#peer}; of {Server#connect} also "unix:/path"
    attr_reader :peer

    # @api private
    def initialize(queue, handle, number, peer)
      super(queue, handle, number)
      @peer = peer
      prepare_reading
      @detached = nil
      @opened = false # by {Server#connect}
      @why = nil # why TLS did not begin
    end

    # @return [Addrinfo] the other end
    def remote_address
      return Addrinfo.unix(@peer.delete_prefix('unix:')) if @peer.start_with?('unix:')

      host, port = @peer.match(/\A\[?(.*?)\]?:(\d+)\z/)&.captures
      host ? Addrinfo.tcp(host, port) : Addrinfo.unix('')
    end

    # @return [Array] as IPSocket#peeraddr, with the address instead of a name; of a unix socket as UNIXSocket#peeraddr
    def peeraddr
      it = remote_address
      return ['AF_UNIX', it.unix_path] if it.unix?

      [it.ipv6? ? 'AF_INET6' : 'AF_INET', it.ip_port, it.ip_address, it.ip_address]
    end

    # Reading raises IOError afterwards, and what comes is thrown away; writing goes on.
    # @return [nil]
    def close_read
      @lock.synchronize do
        @deaf = true
        wake
      end
      nil
    end

    # Ends it gracefully: after all that was written. Closing what is closed does nothing.
    # @return [nil]
    # @raise [ForkError]
    def close
      end_with(C::ECLOSED, 'close') { C.socket_close(@handle) }
    end

    # Half-close: the peer sees the end after what was written; reading goes on.
    # @return [nil]
    # @raise [ForkError]
    def close_write
      result = C.socket_shutdown(@handle)
      refuse(result, 'close_write') unless result.zero? || result == C::ECLOSED || result == C::EHANDLE
    end

    # Gives the descriptor to the program, once what was written is on its way. This object is closed then.
    # @return [Array(BasicSocket, String)] a TCPSocket or UNIXSocket (over TLS always), and the bytes that were
    #   read from it already
    # @raise [ClosedError, ResetError, StateError, WaitTimeoutError] it is aborted if the wait is interrupted
    def detach
      io = nil
      result = C.socket_detach(@handle)
      refuse(result, 'detach') if result.negative?
      @lock.synchronize { wait_for('detach') { @detached || @ended } }
      refuse(C::ECLOSED, 'detach') unless @detached
      Thread.handle_interrupt(Object => :never) { io = specific(@detached) }
      detached = [io, @buffer]
    ensure
      abandon(io) if result&.zero? && !detached
    end

    # Waits for the end of {Server#connect}.
    # @return [self]
    # @api private
    def await_open(timeout)
      what = "connect #{@peer}"
      @lock.synchronize { wait_for(what, timeout) { @opened || @ended } }
      @opened ? self : raise(Error.for(@ended, what, @why).from(self))
    end

    # @api private
    def on_connected(peer)
      @lock.synchronize do
        @peer = peer.force_encoding(Encoding::UTF_8)
        @opened = true
        wake
      end
    end

    # @api private
    def on_detached(descriptor, data)
      let_go(C::ECLOSED, by_program: true) do
        @closed ? IO.for_fd(descriptor).close : @detached = descriptor
        @buffer << data if data
      end
    end

    # @api private
    def on_closed(status, why = nil)
      @lock.synchronize { @why = why&.force_encoding(Encoding::UTF_8) }
      on_eof if status.zero? || status == C::ECLOSED
      super(status)
    end

    # Sends what was read ahead to the other side of a pair.
    # @api private
    def pass_on(other)
      bytes = @buffer
      other.take_over(bytes, C::MESSAGE_BINARY) unless bytes.empty?
      @lock.synchronize { @buffer = String.new }
    end

    # Sends what the other side of a pair has read ahead.
    # @api private
    def take_over(bytes, _kind)
      write(bytes)
    end

    private

    def check_relay
      refuse(C::ESTATE, 'relay') if @relayed
    end

    def credit?
      @credit.positive?
    end

    def forget_credit
      @credit = 0
    end

    def grant(credit)
      C.socket_read(@handle, credit)
    end

    # A program that does not read now has no other way to learn it.
    alias read_to_end over

    def specific(descriptor)
      socket = ::Socket.for_fd(descriptor)
      socket.autoclose = false
      (socket.local_address.unix? ? UNIXSocket : TCPSocket).for_fd(descriptor)
    end

    # Nobody wants the descriptor any more, whether it has come or not; io: what it is in.
    def abandon(io)
      return if @queue.forked?

      descriptor = @lock.synchronize do
        @closed = true
        @detached
      end
      (io || IO.for_fd(descriptor)).close if descriptor
      let_go(C::ECLOSED, by_program: true)
    end

    def send_bytes(data, size)
      C.socket_send(@handle, data, size)
    end
  end
end
