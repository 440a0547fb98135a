# frozen_string_literal: true

module Hijack
  # What an error of the library means in Ruby, where its own sentence is one for programs in C.
  # @api private
  module Sentences
    NOT_STARTED = 'the server has not been started'
    STARTED = 'the server has been started; do this before'
    STATUS = 'expected a status from 200 to 999'
    FOREIGN = 'it is of another server, or has a Content-Length'
    BREAK = 'event: and id: must not contain a line break, and a text must be valid UTF-8'
    BODY = 'the body of the request has to be read to its end before'

    # By code, then by the call; nil is any other one.
    TABLE = {
      C::EINVAL => {
        'respond' => STATUS, 'stream' => STATUS, 'hijack_partial' => 'expected a status from 100 to 999',
        'websocket' => 'the client does not offer this subprotocol', 'send_event' => BREAK, 'publish' => BREAK,
        'ping' => 'expected at most 125 bytes', 'add' => FOREIGN, 'remove' => FOREIGN,
        'adopt' => 'expected no headers, which as: :raw, :sse_body and :websocket_open cannot have',
        'hold' => 'expected a broadcaster of this server, as: :sse, :stream, :raw or :websocket, and no headers for ' \
                  ':raw, which has no head',
        nil => 'an argument is not one of those that are allowed'
      },
      C::ESTATE => {
        'publish' => NOT_STARTED, 'drain' => NOT_STARTED, 'adopt' => NOT_STARTED, 'adopt_request' => NOT_STARTED,
        'wait' => NOT_STARTED, 'listen' => STARTED, 'option' => STARTED, 'route' => STARTED, 'hijack' => BODY,
        'hijack_partial' => BODY, 'websocket' => BODY, 'start' => 'the server has been started already',
        'hold' => "the path is held already, or #{BODY}", 'add' => 'it is a member of this broadcaster already',
        'remove' => 'it is not a member of this broadcaster', 'detach' => 'it has been detached already',
        nil => 'not possible in this state'
      },
      C::ETOOBIG => { 'publish' => 'a message has at most 16 MiB', 'listen' => 'a unix path has at most 107 bytes',
                      'write' => 'more than the Content-Length of the head', nil => 'more bytes than the limit' },
      C::ERANGE => { 'listen' => 'a port is at most 65535', nil => 'the value is out of range' },
      C::ENOTSOCK => { 'listen' => 'not a listening socket', nil => 'not a connected stream socket' },
      C::EAGAIN => { 'publish' => '256 MiB of messages wait for the threads of the server; publish later',
                     nil => 'too much is unsent; wait_writable waits until more can be sent' },
      C::EPROTOCOL => {
        'websocket' => "the client's handshake is wrong, or its page is of another origin (option " \
                       'websocket_origins); it was answered with 400, 403, 405 or 426'
      }.tap { |it| it['hold'] = it['websocket'] },
      C::EOPTION => { nil => 'there is no such option' },
      C::EHANDLE => { nil => 'the object has been freed' },
      C::EFORK => { nil => 'the object belongs to the parent process; make a new one after the fork, or once for all ' \
                           'processes with Hijack.local' },
      C::EHEADER => { nil => 'a header is not valid, or is one that the library sets itself, as Content-Length' }
    }.freeze
    private_constant :NOT_STARTED, :STARTED, :STATUS, :FOREIGN, :BREAK, :BODY, :TABLE

    # @param what [String] begins with the name of the call
    # @return [String]
    def self.for(code, what)
      sentences = TABLE.fetch(code, {})
      sentences[what[/\A\w+/]] || sentences[nil] || C.strerror(code)
    end
  end
end
