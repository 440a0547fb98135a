# frozen_string_literal: true

module Hijack
  # read_nonblock would have to wait.
  class ReadWouldBlockError < WouldBlockError
    include IO::WaitReadable
  end

  # Reading as from an IO, of a {Socket} and of a request's {Body}. Bytes come as binary Strings. At most 64 KiB are
  # read ahead of the program; a peer that sends more waits. One thread at a time should read.
  module Reader
    include Enumerable

    WINDOW = 65_536
    private_constant :WINDOW

    # Reads what is there, and waits only if nothing is; parameters as IO#readpartial.
    # @return [String]
    # @raise [EOFError] the peer sends no more
    # @raise [ClosedError, WaitTimeoutError]
    def readpartial(length, buffer = nil)
      into(buffer) do
        raise EOFError, 'end of file reached' if length.positive? && at_end?

        take(length)
      end
    end

    # Reads what is there without waiting; parameters as IO#read_nonblock.
    # @return [String, Symbol, nil]
    # @raise [ReadWouldBlockError] an IO::WaitReadable; {#wait_readable} waits for the moment to try again
    # @raise [EOFError, ClosedError]
    def read_nonblock(length, buffer = nil, exception: true)
      @lock.synchronize { ask(WINDOW) }
      return readpartial(length, buffer) if length < 1 || ready?
      return :wait_readable unless exception

      raise ReadWouldBlockError, 'read_nonblock: nothing has come; wait_readable waits for it'
    rescue EOFError
      raise if exception
    end

    # Waits until there is something to read, or the end.
    # @param timeout [Numeric, nil] seconds
    # @return [self, nil] nil when the time is over
    def wait_readable(timeout = @timeout)
      @lock.synchronize do
        ask(WINDOW)
        wait_for('wait_readable', timeout) { ready? }
      end
      self
    rescue WaitTimeoutError
      nil
    end

    # Reads so many bytes, or up to the end; parameters as IO#read. When the wait is interrupted, nothing is lost: what
    # came is read next.
    # @return [String, nil] fewer bytes only at the end; nil where length bytes were asked for and it is the end
    # @raise [ClosedError, ResetError, WaitTimeoutError]
    def read(length = nil, buffer = nil)
      bytes = into(buffer) do
        at_end? unless length && length < 1 # for which nothing need come
        nil while (length.nil? || @buffer.bytesize < length) && more?(@buffer.bytesize)
        take(length || @buffer.bytesize)
      end
      bytes unless bytes.empty? && length&.positive?
    end

    # @return [Integer, nil] the next byte; nil at the end
    # @raise as {#read}
    def getbyte
      read(1)&.ord
    end

    # @return [String, nil] the next byte as a String; nil at the end
    # @raise as {#read}
    def getc
      read(1)
    end

    # @return [String] as {#gets}, parameters as there
    # @raise [EOFError] the end; and as {#gets}
    def readline(...)
      gets(...) || raise(EOFError, 'end of file reached')
    end

    # @return [Array<String>] all lines up to the end, parameters as {#gets}
    # @raise as {#gets}
    def readlines(...)
      each(...).to_a
    end

    # @return [Encoding] of what is read: always bytes
    def external_encoding
      Encoding::BINARY
    end

    # Reads a line; parameters as IO#gets. Without a limit a peer may send a line of any length. When the wait is
    # interrupted, nothing is lost.
    # @return [String, nil] nil at the end
    # @raise [ClosedError, ResetError, WaitTimeoutError]
    def gets(separator = $/, limit = nil, chomp: false)
      separator, limit = $/, separator if separator.is_a?(Integer)
      limit = nil if limit&.negative?
      paragraph = separator&.empty?
      separator = "\n\n" if paragraph
      line = @lock.synchronize do
        skip_empty_lines if paragraph && limit != 0
        take(line_length(separator, limit))
      end
      return if line.empty? && limit != 0

      chomp && separator ? line.chomp(separator) : line
    end

    # @yieldparam line [String] each line up to the end; parameters as {#gets}
    # @return [self, Enumerator] without a block an Enumerator
    def each(separator = $/, limit = nil, chomp: false)
      raise ArgumentError, 'invalid limit: 0 for each_line' if [separator, limit].include?(0)
      return enum_for(:each, separator, limit, chomp: chomp) unless block_given?

      while (line = gets(separator, limit, chomp: chomp))
        yield line
      end
      self
    end
    alias each_line each

    # @yieldparam bytes [String] what came, in pieces as it came, up to the end
    # @return [self, Enumerator] without a block an Enumerator
    def each_chunk
      return enum_for(:each_chunk) unless block_given?

      yield readpartial(WINDOW) until eof?
      self
    end

    # Waits until something can be read, or the end comes.
    # @return [Boolean] whether it is the end
    # @raise [ClosedError, ResetError, WaitTimeoutError]
    def eof?
      @lock.synchronize { at_end? }
    end

    # @api private
    def on_data(data)
      @lock.synchronize do
        @credit -= data.bytesize
        next if @deaf

        @buffer.empty? ? @buffer = data : @buffer << data
        wake
      end
    end

    # @api private
    def on_eof
      @lock.synchronize do
        @eof = true
        wake
        read_to_end if @buffer.empty?
      end
    end

    private

    def prepare_reading
      @buffer = String.new # bytes that came and were not read
      @relayed = false # of a socket: they are another one's
      @credit = 0 # bytes that may still come
      @eof = false
      @deaf = false # close_read was called
    end

    # Fills the buffer with what the block gives; it is empty when that fails, as that of an IO. A frozen one is refused
    # before anything is taken.
    def into(buffer)
      buffer&.clear
      bytes = @lock.synchronize { yield }
      buffer && bytes ? buffer.replace(bytes) : bytes
    end

    # What follows runs under the lock.

    def ready?
      !@buffer.empty? || @eof || @ended || @deaf || @relayed
    end

    def check_open
      refuse(C::ESTATE, 'read') if @relayed
      refuse(C::ECLOSED, 'read') if @closed
      raise IOError, 'not opened for reading: close_read was called' if @deaf
    end

    def at_end?
      check_open
      @buffer.empty? && !more?(0)
    end

    # Waits for bytes beyond those that are there. False at the end.
    def more?(size)
      ask(size + WINDOW)
      wait_for('read') { @buffer.bytesize > size || @eof || @ended || @deaf || @relayed }
      check_open
      return true if @buffer.bytesize > size

      @eof ? false : refuse(C::ECLOSED, 'read')
    end

    # Gives credit for what may be there beside the buffer, in large steps.
    def ask(window)
      credit = window - @buffer.bytesize - @credit
      return if credit < WINDOW / 2 || @eof || @ended || @relayed

      result = grant(credit)
      return @credit += credit if result.zero?

      # When the connection has gone, the event that says why is on its way.
      refuse(result, 'read') unless [C::ECLOSED, C::EHANDLE].include?(result)
    end

    def take(length)
      raise ArgumentError, "negative length #{length} given" if length.negative?

      check_open
      bytes = @buffer
      length < bytes.bytesize ? bytes = @buffer.slice!(0, length) : @buffer = String.new
      ask(WINDOW)
      read_to_end if @eof && @buffer.empty?
      bytes
    end

    def skip_empty_lines
      take(@buffer[/\A\n+/].size) while !at_end? && @buffer.start_with?("\n")
    end

    # Waits until a line is there.
    def line_length(separator, limit)
      check_open
      from = 0
      loop do
        size = @buffer.bytesize
        found = separator && @buffer.index(separator.b, from)
        found += separator.bytesize if found
        return [found || size, limit || size].min if found || (limit && size >= limit)

        from = separator ? [size - separator.bytesize + 1, 0].max : size
        return size unless more?(size)
      end
    end
  end
end
