# frozen_string_literal: true

module Hijack
  # What an IO has besides write, of a {Stream} and a {Socket}.
  module Printing
    # Writes each with a line break after it that has none.
    # @param lines [Array<#to_s>]
    # @return [nil]
    # @raise as {Connection#write}
    def puts(*lines)
      lines << '' if lines.empty?
      write(*lines.flatten.map { |line| line.to_s.end_with?("\n") ? line : "#{line}\n" })
      nil
    end

    # @param items [Array<#to_s>] written one after the other
    # @return [nil]
    # @raise as {Connection#write}
    def print(*items)
      write(*items)
      nil
    end

    # @param format [String] as for Kernel#format
    # @param values [Array]
    # @return [nil]
    # @raise as {Connection#write}
    def printf(format, *values)
      print(format(format, *values))
    end

    # @return [true] each write is handed over immediately
    def sync
      true
    end

    # @param _value [Boolean] is ignored
    # @return [Boolean]
    def sync=(_value); end

    private

    # For IO.select, which calls it though it is private; libraries that only ask for it write as to any object.
    def to_io
      raise NotSupportedError, "to_io: the descriptor of a #{self.class} is the server's; wait with wait_readable or " \
                               'wait_writable, or take the descriptor of a Hijack::Socket with detach'
    end
  end
end
