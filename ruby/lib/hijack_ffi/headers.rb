# frozen_string_literal: true

module Hijack
  # The headers of a request: `headers['Content-Type']`, in any case. One that came twice is there twice in {#each}, and
  # joined by ", " elsewhere.
  class Headers
    include Enumerable

    # A header block for the library, which checks the rest.
    # @api private
    # @param headers [#each, nil] pairs of names and values; a value may be an Array of several
    # @return [String] "name: value\r\n" for each
    # @raise [HeaderError] where a name or value would end its line or its name
    def self.block(headers)
      return '' if headers.nil?

      headers.each_with_object(String.new) do |(name, values), block|
        name = name.to_s.b
        raise HeaderError, "the header name #{name.inspect} is no token" if name.empty? || name.match?(/[:\r\n\0]/n)

        (values.is_a?(Array) ? values : [values]).each do |value|
          value = value.to_s.b
          raise HeaderError, "the header #{name} has a line break or NUL in its value" if value.match?(/[\r\n\0]/n)

          block << name << ': ' << value << "\r\n"
        end
      end
    end

    # @api private
    # @param lines [Array<String>] as "name: value", names in lower case
    def initialize(lines)
      @pairs = lines.map { |line| line.split(': ', 2).each(&:freeze).freeze }.freeze
    end

    # @yieldparam name [String] in lower case
    # @yieldparam value [String]
    # @return [self, Enumerator] without a block an Enumerator
    def each(&block)
      return enum_for(:each) unless block

      @pairs.each(&block)
      self
    end

    # @param name [String, Symbol] in any case
    # @return [String, nil] its value; several are joined by ", "
    def [](name)
      found = values(name)
      found.join(', ') unless found.empty?
    end

    # @param name [String, Symbol] in any case
    # @return [Array<String>] all values of that name, in the order received
    def values(name)
      name = name.to_s.downcase
      @pairs.filter_map { |key, value| value if key == name }
    end

    # @param name [String, Symbol] in any case
    # @return [Boolean]
    def key?(name)
      !values(name).empty?
    end

    # @return [Hash{String => String}] values by name in lower case, several joined by ", "
    def to_h
      @pairs.group_by(&:first).transform_values { |pairs| pairs.map(&:last).join(', ') }
    end
  end
end
