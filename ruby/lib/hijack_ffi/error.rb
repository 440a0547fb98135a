# frozen_string_literal: true

module Hijack
  # What every exception of the library is, besides being one of Ruby's own kinds: `rescue Hijack::Error` catches all
  # of them, `rescue Errno::EADDRINUSE` or `rescue IOError` the ones that are that, too. There is one class for each
  # code of docs/errors.md.
  module Error
    # By code, where the library's own sentence is one for programs in C.
    # @return [Hash{Integer => String}]
    # @api private
    def self.words
      @words ||= {
        C::EINVAL => 'an argument is not one of those that are allowed', C::EHANDLE => 'the object has been freed',
        C::EAGAIN => 'too much is unsent; wait_writable waits until more can be sent',
        C::EFORK => 'the object belongs to the parent process; make a new one after the fork, or once for all ' \
                    'processes with Hijack.local',
        C::ESTATE => 'not possible in this state', C::EOPTION => 'there is no such option',
        C::ERANGE => 'the value is out of range', C::ETOOBIG => 'more bytes than the limit',
        C::EHEADER => 'a header is not valid, or is one that the library sets itself, as Content-Length',
        C::ENOTSOCK => 'not a connected stream socket'
      }.freeze
    end

    # @param code [Integer] a negative code of the library
    # @param what [String] what was asked for, and with which value
    # @param words [Hash{Integer => String}, nil] sentences that fit better here, by code
    # @return [Exception] one of {ERRORS}' class, to be raised
    # @api private
    def self.for(code, what, words = nil)
      (ERRORS[code] || SystemFailureError).new("#{what}: #{words&.[](code) || self.words[code] || C.strerror(code)}")
    end

    # @return [Object, nil] whose end it reports: a request, a body, or what a request has become
    # @api private
    attr_reader :source

    # @return [self]
    # @api private
    def from(source)
      @source = source
      self
    end

    # @param message [String, nil] a sentence for people
    def initialize(message = nil)
      super
      @sentence = message
    end

    # @return [String] the sentence, without the system's own text that Errno classes put before it
    def to_s
      @sentence || super
    end

    # @return [Integer] the library's code, as -3
    def code
      self.class::CODE
    end

    # @return [String] the code's name, as "HIJACK_ECLOSED"
    def name
      self.class::NAME
    end
  end
end
