# frozen_string_literal: true

module Hijack
  # What every exception of the library is, besides being one of Ruby's own kinds: `rescue Hijack::Error` catches all
  # of them, `rescue Errno::EADDRINUSE` or `rescue IOError` those that are also of that kind. There is one class for
  # each code of docs/reference/errors.md.
  module Error
    # @param code [Integer] a negative code of the library
    # @param what [String] what was asked for, and with which value
    # @param why [String, nil] a sentence instead of the code's own
    # @return [Exception] one of {ERRORS}' class, to be raised
    # @api private
    def self.for(code, what, why = nil)
      (ERRORS[code] || SystemFailureError).new("#{what}: #{why || sentence(code, what)}")
    end

    # @return [String] what the code means in Ruby; the library's own sentence where that is not one for programs in C
    # @api private
    def self.sentence(code, what)
      sentences = C::SENTENCES.fetch(code, {})
      sentences[what] || sentences[what[/\A\w+/]] || sentences[nil] || C.strerror(code)
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
