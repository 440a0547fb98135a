# frozen_string_literal: true

module Hijack
  # Certificates on their way to the library, and what a handshake has settled on its way back.
  # @api private
  module TLS
    SCHEME = ' https'
    private_constant :SCHEME

    # @param certificate [#to_pem, #to_s, Array] PEM, or the path of a file; an Array is one chain, the server's first
    # @return [String] what the library takes: PEM text or a path
    def self.text(certificate)
      return certificate.map { |each| text(each) }.join("\n") if certificate.is_a?(Array)

      certificate.respond_to?(:to_pem) ? certificate.to_pem : certificate.to_s
    end

    # @return [String, nil] an OCSP response in DER, or the path of a file
    def self.staple(response)
      response.respond_to?(:to_der) ? response.to_der : response&.to_s
    end

    # @return [String] how an error names it: a key must not get into a log
    def self.name(text)
      text.include?('-----BEGIN') ? 'PEM text' : text.inspect
    end

    # Read when the request comes, while nobody can free it; later the texts would be gone with the answer.
    # @param payload [String] of the request: its first line ends with the scheme
    # @return [Hash{Symbol => String}, nil] by name, without those that there are none of; nil: no TLS
    def self.facts(handle, payload)
      at = payload.index("\r\n")
      return unless at && payload.byteslice(at - SCHEME.size, SCHEME.size) == SCHEME

      out = FFI::MemoryPointer.new(:uint64, 2)
      found = C::TLS_FACTS.each_with_object({}) do |name, facts|
        next unless C.request_info(out, out + 8, handle, name, name.bytesize).positive?

        facts[name.to_sym] = out.read_pointer.read_string(out.get_uint64(8)).force_encoding(Encoding::UTF_8).freeze
      end
      found unless found.empty? # adopted from a server that speaks TLS itself
    end
  end
end
