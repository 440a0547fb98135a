# frozen_string_literal: true

module Hijack
  # A request that a Rack server has read, as the library takes it.
  # @api private
  module RackRequest
    # Of a request: how its body was sent. It has been read.
    FRAMING = %w[version transfer-encoding expect].freeze
    private_constant :FRAMING
    # By the kind of answer, what its head sets itself; a kind that is not here has no head.
    OWN = { C::HOLD_STREAM => [], C::HOLD_LONG_POLL => [], C::HOLD_SSE => C::OF_EVENTS,
            C::HOLD_WEBSOCKET => %w[content-type sec-websocket-accept sec-websocket-protocol
                                    sec-websocket-extensions] }.freeze
    # What an application returns whose connection is hijacked: servers ignore it, Rack::Lint finds no fault.
    HIJACKED = [204, {}.freeze, [].freeze].freeze

    # @return [Array(String, String)] the request line without its end, and the headers as a block
    # @raise [InvalidError, HeaderError]
    def self.head(env)
      method = env['REQUEST_METHOD']
      raise InvalidError, "adopt_request: a Rack env is expected, and #{env.inspect[0, 80]} came" unless method

      # Puma 5 has the client's version in HTTP_VERSION alone.
      old = env.values_at('SERVER_PROTOCOL', 'HTTP_VERSION').include?('HTTP/1.0')
      version = old ? 'HTTP/1.0' : 'HTTP/1.1'
      ["#{method} #{target(env)} #{version}", Headers.block(headers(env))]
    end

    # The connection, taken from the server; where Puma shows it before, only if it can be adopted.
    # @raise [NotSupportedError, InvalidError]
    def self.hijack(env)
      Adopt.plain(env['puma.socket']) if env['puma.socket']
      return env['rack.hijack'].call if env['rack.hijack']

      raise NotSupportedError, 'adopt_request: the web server offers no rack.hijack; give the connection as io'
    end

    # Puma gives a connection that was not hijacked when it has written a head.
    # @raise [StateError]
    def self.check_head(env)
      client = env['rack.hijack']
      client = client.receiver if client.is_a?(Method) # since Puma 6
      return if !client.respond_to?(:hijacked) || client.hijacked

      raise StateError, 'adopt_request: the web server has written a head already; adopt its connection into a ' \
                        'broadcaster (as: :sse_body), or with server.adopt'
    end

    # @param headers [#each, nil] as a Rack response has them; several values as an Array, or with line breaks between
    # @return [Hash{String => Array}, nil] those that go into a response of this library
    def self.preset(headers)
      headers&.each_with_object({}) do |(name, value), preset|
        name = name.to_s.downcase
        next if C::NOT_TAKEN.include?(name) || name.start_with?('rack.')

        (preset[name] ||= []).concat(values(value))
      end
    end

    # @return [Array]
    private_class_method def self.values(value)
      return Array(value) if value.is_a?(Array) || value.nil?

      value.is_a?(String) && !value.empty? ? value.split("\n") : [value]
    end

    # @return [String] as it was sent, where the server keeps that
    private_class_method def self.target(env)
      uri = env['REQUEST_URI'].to_s
      return uri if uri.match?(%r{\A[/*]|\Ahttps?://}i)

      path = "#{env['SCRIPT_NAME']}#{env['PATH_INFO']}"
      path = '/' if path.empty?
      query = env['QUERY_STRING'].to_s
      path = path.b.gsub(/[^!-~]|[?#]/n) { |byte| format('%%%02X', byte.ord) }
      query.empty? ? path : "#{path}?#{query}"
    end

    private_class_method def self.headers(env)
      found = { 'host' => [env['SERVER_NAME'], env['SERVER_PORT']].compact.join(':') }
      env.each do |key, value|
        name = key[/\A(?:HTTP_)?(CONTENT_(?:TYPE|LENGTH))\z|\AHTTP_(.+)\z/] && ($1 || $2).downcase.tr('_', '-')
        found[name] = value if name && value && !FRAMING.include?(name)
      end
      found
    end
  end
end
