# frozen_string_literal: true

# Made by bindings/generate from include/hijack/hijack.h. Do not edit.
module Hijack
  # The C functions as they are, without hijack_; handles are Integers.
  module C
    VERSION_NUMBER = 0x000200

    EVENT_NONE = 0
    EVENT_REQUEST = 1
    EVENT_DATA = 2
    EVENT_EOF = 3
    EVENT_DRAINED = 4
    EVENT_CLOSED = 5
    EVENT_DETACHED = 6
    EVENT_STOPPED = 7
    EVENT_WAKE = 8
    EVENT_HANGUP = 9
    EVENT_MESSAGE = 10
    EVENT_CONNECTED = 11
    EVENT_MEMBERS = 12
    EVENT_MEMBER_MESSAGE = 13

    MESSAGE_TEXT = 1
    MESSAGE_BINARY = 2
    MESSAGE_PING = 9
    MESSAGE_MORE = 256

    OK = 0
    EINVAL = -1
    EHANDLE = -2
    ECLOSED = -3
    EAGAIN = -4
    ENOMEM = -5
    EFORK = -6
    ESTATE = -7
    EBUSY = -8
    EADDRINUSE = -9
    EADDR = -10
    EACCES = -11
    EHEADER = -12
    EOPTION = -13
    ERANGE = -14
    ETOOBIG = -15
    EVERSION = -16
    ELIMIT = -17
    ETIMEDOUT = -18
    ERESET = -19
    ESLOW = -20
    ESHUTDOWN = -21
    EIO = -22
    EABORTED = -23
    ENOTSOCK = -24
    ENOTSUP = -25
    EPROTOCOL = -26
    ETLS = -27
    EREFUSED = -28
    ENOENT = -29
    EADDRNOTAVAIL = -30

    HOLD_RAW = 1
    HOLD_STREAM = 2
    HOLD_SSE = 3
    HOLD_SSE_BODY = 4
    HOLD_WEBSOCKET = 5
    HOLD_WEBSOCKET_OPEN = 6
    HOLD_LONG_POLL = 7

    STAT_CONNECTIONS = 0
    STAT_READING = 1
    STAT_HTTP = 2
    STAT_STREAMS = 3
    STAT_SOCKETS = 4
    STAT_HELD = 5
    STAT_MEMBERSHIPS = 6
    STAT_ACCEPTED = 7
    STAT_ADOPTED = 8
    STAT_DETACHED = 9
    STAT_REQUESTS = 10
    STAT_BAD_REQUESTS = 11
    STAT_CLOSED_OK = 12
    STAT_CLOSED_PEER = 13
    STAT_CLOSED_TIMEOUT = 14
    STAT_CLOSED_SLOW = 15
    STAT_CLOSED_ABORTED = 16
    STAT_CLOSED_SHUTDOWN = 17
    STAT_EVENTS_QUEUED = 18
    STAT_BYTES_IN = 19
    STAT_BYTES_OUT = 20
    STAT_BACKLOG_BYTES = 21
    STAT_PUBLISHED = 22
    STAT_DELIVERED = 23
    STAT_DROPPED = 24
    STAT_HEARTBEATS = 25
    STAT_ACCEPT_PAUSES = 26
    STAT_TLS_HANDSHAKES = 27
    STAT_TLS_RESUMED = 28
    STAT_TLS_FAILED = 29
    STAT_REFUSED = 30
    STAT_COMPRESSED = 31
    STAT_RESUMED = 32
    STAT_GAPS = 33
    STAT_COUNT = 34

    BROADCASTER_STAT_MEMBERS = 0
    BROADCASTER_STAT_PUBLISHED = 1
    BROADCASTER_STAT_DELIVERED = 2
    BROADCASTER_STAT_DROPPED = 3
    BROADCASTER_STAT_CLOSED = 4
    BROADCASTER_STAT_COUNT = 5

    # Types of events that this package knows; other types are of a later version, and skipped.
    KNOWN_EVENTS = [EVENT_REQUEST, EVENT_DATA, EVENT_EOF, EVENT_DRAINED, EVENT_CLOSED, EVENT_DETACHED, EVENT_STOPPED,
              EVENT_WAKE, EVENT_HANGUP, EVENT_MESSAGE, EVENT_CONNECTED, EVENT_MEMBERS, EVENT_MEMBER_MESSAGE].freeze

    # Types after which no event of the same handle follows.
    LAST_EVENTS = [EVENT_CLOSED, EVENT_DETACHED, EVENT_STOPPED].freeze

    EVENT_SIZE = 40
    EVENT_USER_DATA_AT = 0
    EVENT_HANDLE_AT = 8
    EVENT_DATA_AT = 16
    EVENT_LEN_AT = 24
    EVENT_TYPE_AT = 32
    EVENT_STATUS_AT = 36

    # How a held connection starts; see docs/reference/c/broadcaster.md#kinds.
    KINDS = { raw: HOLD_RAW, stream: HOLD_STREAM, sse: HOLD_SSE, sse_body: HOLD_SSE_BODY, websocket: HOLD_WEBSOCKET,
              websocket_open: HOLD_WEBSOCKET_OPEN }.freeze

    # Headers of another server's answer that are about its connection or its body.
    NOT_TAKEN = %w[connection content-encoding content-length content-md5 content-range date etag keep-alive
              last-modified proxy-connection status te trailer transfer-encoding upgrade x-accel-redirect
              x-sendfile].freeze

    # What a head of events has of its own.
    OF_EVENTS = %w[content-type cache-control x-accel-buffering].freeze

    # Headers of which both lines are sent.
    ADDED = %w[set-cookie vary].freeze

    # What a request says of TLS.
    TLS_FACTS = %w[tls_version tls_cipher tls_server_name tls_subject tls_certificate].freeze

    # The counters of a broadcaster, in their order.
    BROADCASTER_STATS = %i[members published delivered dropped closed].freeze

    # What an error code means after a call, of which nil is any other one.
    SENTENCES = {
      EINVAL => {
        nil => 'an argument is not one of those that are allowed',
        'respond' => 'expected a status from 200 to 999',
        'stream' => 'expected a status from 200 to 999',
        'hijack_partial' => 'expected a status from 100 to 999',
        'websocket' => 'the client does not offer this subprotocol',
        'send_event' => 'event: and id: must not contain a line break, and a text must be valid UTF-8',
        'publish' => 'event: and id: must not contain a line break, and a text must be valid UTF-8',
        'ping' => 'expected at most 125 bytes',
        'add' => 'it is of another server, or has a Content-Length',
        'remove' => 'it is of another server, or has a Content-Length',
        'adopt' => 'expected no headers, which as: :raw, :sse_body and :websocket_open cannot have',
        'hold' => 'expected a broadcaster of this server, as: :sse, :stream, :raw or :websocket, and no headers for ' \
                  ':raw, which has no head'
      },
      EHANDLE => {
        nil => 'the object has been freed'
      },
      EAGAIN => {
        nil => 'too much is unsent; wait_writable waits until more can be sent',
        'publish' => '256 MiB of messages wait for the threads of the server; publish later'
      },
      EFORK => {
        nil => 'the object belongs to the parent process; make a new one after the fork, or once for all processes ' \
               'with Hijack.local'
      },
      ESTATE => {
        nil => 'not possible in this state',
        'publish' => 'the server has not been started',
        'drain' => 'the server has not been started',
        'adopt' => 'the server has not been started',
        'adopt_request' => 'the server has not been started',
        'wait' => 'the server has not been started',
        'listen' => 'the server has been started; do this before',
        'option' => 'the server has been started; do this before',
        'route' => 'the server has been started; do this before',
        'start' => 'the server has been started already',
        'hijack' => 'the body of the request has to be read to its end before',
        'hijack_partial' => 'the body of the request has to be read to its end before',
        'websocket' => 'the body of the request has to be read to its end before',
        'hold' => 'the path is held already, or the body of the request has to be read to its end before',
        'add' => 'it is a member of this broadcaster already',
        'remove' => 'it is not a member of this broadcaster',
        'detach' => 'it has been detached already'
      },
      EHEADER => {
        nil => 'a header is not valid, or is one that the library sets itself, as Content-Length'
      },
      EOPTION => {
        nil => 'there is no such option'
      },
      ERANGE => {
        nil => 'the value is out of range',
        'listen' => 'a port is at most 65535'
      },
      ETOOBIG => {
        nil => 'more bytes than the limit',
        'publish' => 'a message has at most 16 MiB',
        'listen' => 'a unix path has at most 107 bytes',
        'write' => 'more than the Content-Length of the head'
      },
      ENOTSOCK => {
        nil => 'not a connected stream socket',
        'listen' => 'not a listening socket'
      },
      EPROTOCOL => {
        'websocket' => "the client's handshake is wrong, or its page is of another origin (option websocket_origins);" \
                       ' it was answered with 400, 403, 405 or 426',
        'hold' => "the client's handshake is wrong, or its page is of another origin (option websocket_origins); it " \
                  'was answered with 400, 403, 405 or 426'
      }
    }.freeze

    # What the values of an option are, by its type.
    VALUES = {
      'int' => 'a whole number from %{minimum} to %{maximum}',
      'size' => 'bytes from %{minimum} to %{maximum}, as a whole number that may end in k or m',
      'string' => '%{minimum} to %{maximum} bytes: %{help}',
      'mode' => 'four octal digits from %{minimum} to %{maximum}',
      'choice' => 'one of its words: %{help}'
    }.freeze

    attach_function :version, :hijack_version, [], :uint32
    attach_function :version_string, :hijack_version_string, [], :string
    attach_function :check_version, :hijack_check_version, [:uint32], :int
    attach_function :strerror, :hijack_strerror, [:int], :string
    attach_function :errname, :hijack_errname, [:int], :string
    attach_function :event_name, :hijack_event_name, [:uint32], :string
    attach_function :hash, :hijack_hash, [:buffer_in, :size_t], :uint64
    attach_function :sse_encode, :hijack_sse_encode,
                    [:pointer, :size_t, :buffer_in, :size_t, :buffer_in, :size_t, :buffer_in, :size_t, :int64], :int
    attach_function :options, :hijack_options, [], :string
    attach_function :handle_set_user_data, :hijack_handle_set_user_data, [:uint64, :uint64], :int
    attach_function :handle_user_data, :hijack_handle_user_data, [:pointer, :uint64], :int
    attach_function :queue_new, :hijack_queue_new, [:pointer], :int
    attach_function :queue_set, :hijack_queue_set, [:uint64, :buffer_in, :size_t, :buffer_in, :size_t], :int
    attach_function :queue_fd, :hijack_queue_fd, [:uint64], :int
    attach_function :queue_poll, :hijack_queue_poll, [:pointer, :uint64, :uint32, :int], :int
    attach_function :queue_wake, :hijack_queue_wake, [:uint64], :int
    attach_function :queue_free, :hijack_queue_free, [:uint64], :void
    attach_function :server_new, :hijack_server_new, [:pointer, :uint64], :int
    attach_function :server_set, :hijack_server_set, [:uint64, :buffer_in, :size_t, :buffer_in, :size_t], :int
    attach_function :server_get, :hijack_server_get, [:pointer, :size_t, :uint64, :buffer_in, :size_t], :int
    attach_function :server_listen, :hijack_server_listen, [:uint64, :buffer_in, :size_t], :int
    attach_function :server_address, :hijack_server_address, [:pointer, :size_t, :uint64, :uint32], :int
    attach_function :server_add_queue, :hijack_server_add_queue, [:uint64, :uint64], :int
    attach_function :server_route, :hijack_server_route, [:uint64, :buffer_in, :size_t, :uint64], :int
    attach_function :server_certificate, :hijack_server_certificate,
                    [:uint64, :buffer_in, :size_t, :buffer_in, :size_t, :buffer_in, :size_t], :int
    attach_function :server_route_set, :hijack_server_route_set,
                    [:uint64, :buffer_in, :size_t, :buffer_in, :size_t, :buffer_in, :size_t], :int
    attach_function :server_hold, :hijack_server_hold,
                    [:uint64, :buffer_in, :size_t, :uint32, :buffer_in, :size_t, :uint64], :int
    attach_function :server_start, :hijack_server_start, [:uint64], :int
    attach_function :server_drain, :hijack_server_drain, [:uint64, :uint32], :int
    attach_function :server_stop, :hijack_server_stop, [:uint64], :int, blocking: true
    attach_function :server_stats, :hijack_server_stats, [:pointer, :uint32, :uint64], :int
    attach_function :server_stat_name, :hijack_server_stat_name, [:uint32], :string
    attach_function :server_adopt, :hijack_server_adopt, [:pointer, :uint64, :int, :buffer_in, :size_t], :int
    attach_function :server_adopt_request, :hijack_server_adopt_request,
                    [:pointer, :uint64, :int, :buffer_in, :size_t, :buffer_in, :size_t], :int
    attach_function :server_free, :hijack_server_free, [:uint64], :void
    attach_function :request_method, :hijack_request_method, [:pointer, :pointer, :uint64], :int
    attach_function :request_target, :hijack_request_target, [:pointer, :pointer, :uint64], :int
    attach_function :request_version, :hijack_request_version, [:pointer, :pointer, :uint64], :int
    attach_function :request_peer, :hijack_request_peer, [:pointer, :pointer, :uint64], :int
    attach_function :request_headers, :hijack_request_headers, [:pointer, :pointer, :uint64], :int
    attach_function :request_header, :hijack_request_header,
                    [:pointer, :pointer, :uint64, :buffer_in, :size_t, :uint32], :int
    attach_function :request_body, :hijack_request_body, [:pointer, :pointer, :uint64], :int
    attach_function :request_respond, :hijack_request_respond,
                    [:uint64, :uint32, :buffer_in, :size_t, :buffer_in, :size_t], :int
    attach_function :request_stream, :hijack_request_stream, [:pointer, :uint64, :uint32, :buffer_in, :size_t], :int
    attach_function :request_sse, :hijack_request_sse, [:pointer, :uint64, :buffer_in, :size_t], :int
    attach_function :request_hijack, :hijack_request_hijack, [:pointer, :uint64], :int
    attach_function :request_hijack_partial, :hijack_request_hijack_partial,
                    [:pointer, :uint64, :uint32, :buffer_in, :size_t], :int
    attach_function :request_websocket, :hijack_request_websocket,
                    [:pointer, :uint64, :buffer_in, :size_t, :buffer_in, :size_t], :int
    attach_function :request_info, :hijack_request_info, [:pointer, :pointer, :uint64, :buffer_in, :size_t], :int
    attach_function :request_read, :hijack_request_read, [:uint64, :uint64], :int
    attach_function :request_hold, :hijack_request_hold,
                    [:uint64, :uint64, :uint32, :uint64, :buffer_in, :size_t, :buffer_in, :size_t, :buffer_in, :size_t],
                    :int
    attach_function :request_free, :hijack_request_free, [:uint64], :void
    attach_function :stream_send, :hijack_stream_send, [:uint64, :buffer_in, :size_t], :int
    attach_function :stream_send_sse, :hijack_stream_send_sse,
                    [:uint64, :buffer_in, :size_t, :buffer_in, :size_t, :buffer_in, :size_t, :int64], :int
    attach_function :stream_send_comment, :hijack_stream_send_comment, [:uint64, :buffer_in, :size_t], :int
    attach_function :stream_finish, :hijack_stream_finish, [:uint64, :buffer_in, :size_t], :int
    attach_function :stream_abort, :hijack_stream_abort, [:uint64], :int
    attach_function :stream_free, :hijack_stream_free, [:uint64], :void
    attach_function :socket_read, :hijack_socket_read, [:uint64, :uint64], :int
    attach_function :socket_send, :hijack_socket_send, [:uint64, :buffer_in, :size_t], :int
    attach_function :socket_send_message, :hijack_socket_send_message, [:uint64, :uint32, :buffer_in, :size_t], :int
    attach_function :socket_close_message, :hijack_socket_close_message, [:uint64, :uint32, :buffer_in, :size_t], :int
    attach_function :socket_shutdown, :hijack_socket_shutdown, [:uint64], :int
    attach_function :socket_close, :hijack_socket_close, [:uint64], :int
    attach_function :socket_abort, :hijack_socket_abort, [:uint64], :int
    attach_function :socket_detach, :hijack_socket_detach, [:uint64], :int
    attach_function :socket_free, :hijack_socket_free, [:uint64], :void
    attach_function :broadcaster_new, :hijack_broadcaster_new, [:pointer, :uint64], :int
    attach_function :broadcaster_set, :hijack_broadcaster_set, [:uint64, :buffer_in, :size_t, :buffer_in, :size_t], :int
    attach_function :broadcaster_add, :hijack_broadcaster_add, [:uint64, :uint64, :uint64, :buffer_in, :size_t], :int
    attach_function :broadcaster_remove, :hijack_broadcaster_remove, [:uint64, :uint64], :int
    attach_function :broadcaster_adopt, :hijack_broadcaster_adopt,
                    [:uint64, :int, :uint32, :uint64, :buffer_in, :size_t, :buffer_in, :size_t, :buffer_in, :size_t],
                    :int
    attach_function :broadcaster_publish, :hijack_broadcaster_publish, [:uint64, :uint32, :buffer_in, :size_t], :int
    attach_function :broadcaster_publish_sse, :hijack_broadcaster_publish_sse,
                    [:uint64, :buffer_in, :size_t, :buffer_in, :size_t, :buffer_in, :size_t, :buffer_in, :size_t,
                    :int64], :int
    attach_function :broadcaster_send_user, :hijack_broadcaster_send_user,
                    [:uint64, :uint64, :uint32, :buffer_in, :size_t], :int
    attach_function :broadcaster_remove_user, :hijack_broadcaster_remove_user, [:uint64, :uint64], :int
    attach_function :broadcaster_close_user, :hijack_broadcaster_close_user, [:uint64, :uint64], :int
    attach_function :broadcaster_join_user, :hijack_broadcaster_join_user, [:uint64, :uint64, :uint64], :int
    attach_function :broadcaster_close, :hijack_broadcaster_close, [:uint64], :int
    attach_function :broadcaster_position, :hijack_broadcaster_position, [:pointer, :size_t, :uint64], :int
    attach_function :broadcaster_count, :hijack_broadcaster_count, [:uint64], :int
    attach_function :broadcaster_stats, :hijack_broadcaster_stats, [:pointer, :uint32, :uint64], :int
    attach_function :broadcaster_free, :hijack_broadcaster_free, [:uint64], :void
  end

  # What a {Request} says of itself and its connection.
  module Facts
    # @return [String] "GET"
    def request_method
      line[0]
    end

    # @return [String] path and query as sent, "/a?b=1"
    def target
      line[1]
    end

    # @return [String] "HTTP/1.1" or "HTTP/1.0"
    def http_version
      line[2]
    end

    # @return [String] "127.0.0.1:50312", "[::1]:50312" or "unix:"
    def peer
      line[3]
    end

    # @return [String] "http" or "https"
    def scheme
      line[4]
    end

    # @return [String, nil] "TLSv1.3" or "TLSv1.2"; nil without TLS
    def tls_version
      @tls && @tls[:tls_version]
    end

    # @return [String, nil] "TLS_AES_256_GCM_SHA384"; one of TLS 1.2 as OpenSSL names it,
    #   "ECDHE-RSA-AES128-GCM-SHA256"; nil without TLS
    def tls_cipher
      @tls && @tls[:tls_cipher]
    end

    # @return [String, nil] the name that the client asked for (SNI); nil if it sent none
    def tls_server_name
      @tls && @tls[:tls_server_name]
    end

    # @return [String, nil] whom the client's certificate is for, which was verified, "CN=ann,O=us" (RFC 4514); nil
    #   without one
    def tls_subject
      @tls && @tls[:tls_subject]
    end

    # @return [String, nil] the client's certificate as PEM; nil without one
    def tls_certificate
      @tls && @tls[:tls_certificate]
    end
  end

  # HIJACK_EINVAL: an argument is out of its domain (NULL, a bad length, a status not in 100..999)
  class InvalidError < ::ArgumentError
    include Error
    CODE = -1
    NAME = 'HIJACK_EINVAL'
  end

  # HIJACK_EHANDLE: the handle is NULL, freed, or of another kind
  class HandleError < ::IOError
    include Error
    CODE = -2
    NAME = 'HIJACK_EHANDLE'
  end

  # HIJACK_ECLOSED: the connection is closed, or the program has closed or finished it
  class ClosedError < ::IOError
    include Error
    CODE = -3
    NAME = 'HIJACK_ECLOSED'
  end

  # HIJACK_EAGAIN: nothing was taken: over the high-water mark; HIJACK_EVENT_DRAINED follows
  class WouldBlockError < ::Errno::EAGAIN
    include Error
    CODE = -4
    NAME = 'HIJACK_EAGAIN'
  end

  # HIJACK_ENOMEM: out of memory
  class OutOfMemoryError < ::StandardError
    include Error
    CODE = -5
    NAME = 'HIJACK_ENOMEM'
  end

  # HIJACK_EFORK: the handle belongs to the parent process
  class ForkError < ::RuntimeError
    include Error
    CODE = -6
    NAME = 'HIJACK_EFORK'
  end

  # HIJACK_ESTATE: not possible in this state: already started, answered, a member, ...
  class StateError < ::RuntimeError
    include Error
    CODE = -7
    NAME = 'HIJACK_ESTATE'
  end

  # HIJACK_EBUSY: another thread is polling this queue
  class BusyError < ::ThreadError
    include Error
    CODE = -8
    NAME = 'HIJACK_EBUSY'
  end

  # HIJACK_EADDRINUSE: the address is in use
  class AddressInUseError < ::Errno::EADDRINUSE
    include Error
    CODE = -9
    NAME = 'HIJACK_EADDRINUSE'
  end

  # HIJACK_EADDR: the address cannot be understood
  class AddressError < ::ArgumentError
    include Error
    CODE = -10
    NAME = 'HIJACK_EADDR'
  end

  # HIJACK_EACCES: the operating system does not permit it (a port below 1024, a unix path)
  class AccessDeniedError < ::Errno::EACCES
    include Error
    CODE = -11
    NAME = 'HIJACK_EACCES'
  end

  # HIJACK_EHEADER: an invalid header name or value, or one that the library itself owns
  class HeaderError < ::ArgumentError
    include Error
    CODE = -12
    NAME = 'HIJACK_EHEADER'
  end

  # HIJACK_EOPTION: no option of that name
  class OptionError < ::ArgumentError
    include Error
    CODE = -13
    NAME = 'HIJACK_EOPTION'
  end

  # HIJACK_ERANGE: an option's value is not of its type or out of its range; a port is over 65535
  class OutOfRangeError < ::RangeError
    include Error
    CODE = -14
    NAME = 'HIJACK_ERANGE'
  end

  # HIJACK_ETOOBIG: more bytes than the limit, or than fit into out; a unix path over 107 bytes
  class TooBigError < ::ArgumentError
    include Error
    CODE = -15
    NAME = 'HIJACK_ETOOBIG'
  end

  # HIJACK_EVERSION: program and library were made for different versions
  class VersionError < ::LoadError
    include Error
    CODE = -16
    NAME = 'HIJACK_EVERSION'
  end

  # HIJACK_ELIMIT: the process or the server has no descriptor, thread or connection left
  class LimitError < ::Errno::EMFILE
    include Error
    CODE = -17
    NAME = 'HIJACK_ELIMIT'
  end

  # HIJACK_ETIMEDOUT: head, request or idle timeout, or the peer acknowledges or takes nothing
  class TimedOutError < ::Errno::ETIMEDOUT
    include Error
    CODE = -18
    NAME = 'HIJACK_ETIMEDOUT'
  end

  # HIJACK_ERESET: the peer reset the connection
  class ResetError < ::Errno::ECONNRESET
    include Error
    CODE = -19
    NAME = 'HIJACK_ERESET'
  end

  # HIJACK_ESLOW: the peer could not keep up: a broadcaster's policy, or option backlog_total_bytes
  class SlowError < ::IOError
    include Error
    CODE = -20
    NAME = 'HIJACK_ESLOW'
  end

  # HIJACK_ESHUTDOWN: the server stops or has stopped
  class ShutdownError < ::IOError
    include Error
    CODE = -21
    NAME = 'HIJACK_ESHUTDOWN'
  end

  # HIJACK_EIO: the operating system failed in an unexpected way
  class SystemFailureError < ::Errno::EIO
    include Error
    CODE = -22
    NAME = 'HIJACK_EIO'
  end

  # HIJACK_EABORTED: the program aborted it
  class AbortedError < ::Errno::ECONNABORTED
    include Error
    CODE = -23
    NAME = 'HIJACK_EABORTED'
  end

  # HIJACK_ENOTSOCK: the descriptor is not a socket of the needed sort: connected (adopt), listening (fd:)
  class NotSocketError < ::Errno::ENOTSOCK
    include Error
    CODE = -24
    NAME = 'HIJACK_ENOTSOCK'
  end

  # HIJACK_ENOTSUP: not possible with this protocol, or with this version or build of the library
  class NotSupportedError < ::Errno::EOPNOTSUPP
    include Error
    CODE = -25
    NAME = 'HIJACK_ENOTSUP'
  end

  # HIJACK_EPROTOCOL: the peer broke the protocol's rules (a chunked body, say)
  class ProtocolError < ::Errno::EPROTO
    include Error
    CODE = -26
    NAME = 'HIJACK_EPROTOCOL'
  end

  # HIJACK_ETLS: TLS: unusable certificate or key, failed handshake, or a peer that is not verified
  class TLSError < ::IOError
    include Error
    CODE = -27
    NAME = 'HIJACK_ETLS'
  end

  # HIJACK_EREFUSED: the other side refused the connection
  class RefusedError < ::Errno::ECONNREFUSED
    include Error
    CODE = -28
    NAME = 'HIJACK_EREFUSED'
  end

  # HIJACK_ENOENT: no such file or folder (a unix path, a certificate)
  class NotFoundError < ::Errno::ENOENT
    include Error
    CODE = -29
    NAME = 'HIJACK_ENOENT'
  end

  # HIJACK_EADDRNOTAVAIL: no such host, or the address is not one of this machine
  class AddressNotAvailableError < ::Errno::EADDRNOTAVAIL
    include Error
    CODE = -30
    NAME = 'HIJACK_EADDRNOTAVAIL'
  end

  # The exception class of each error code.
  ERRORS = {
    -1 => InvalidError,
    -2 => HandleError,
    -3 => ClosedError,
    -4 => WouldBlockError,
    -5 => OutOfMemoryError,
    -6 => ForkError,
    -7 => StateError,
    -8 => BusyError,
    -9 => AddressInUseError,
    -10 => AddressError,
    -11 => AccessDeniedError,
    -12 => HeaderError,
    -13 => OptionError,
    -14 => OutOfRangeError,
    -15 => TooBigError,
    -16 => VersionError,
    -17 => LimitError,
    -18 => TimedOutError,
    -19 => ResetError,
    -20 => SlowError,
    -21 => ShutdownError,
    -22 => SystemFailureError,
    -23 => AbortedError,
    -24 => NotSocketError,
    -25 => NotSupportedError,
    -26 => ProtocolError,
    -27 => TLSError,
    -28 => RefusedError,
    -29 => NotFoundError,
    -30 => AddressNotAvailableError
  }.freeze
end
