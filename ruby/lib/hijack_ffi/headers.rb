# frozen_string_literal: true

module Hijack
  # The headers of a request: `headers['Content-Type']`, in any case. One that came twice is there twice in {#each}, and
  # joined by ", " elsewhere.
  class Headers
    include Enumerable

    NONE = {}.freeze
    BLOCKS = { nil => '' }.compare_by_identity # of constants
    private_constant :NONE, :BLOCKS

    # A header block for the library, which checks the rest.
    # @api private
    # @param headers [Hash, Headers, Array, #each, nil] pairs of name and value. nil as value leaves the header out, an
    #   Array stands for one header for each element; a Symbol and an Integer are sent as their to_s
    # @param more [Hash] more of them
    # @return [String] "name: value\r\n" for each
    # @raise [HeaderError] anything else; a name or value that would end its line or its name
    def self.block(headers, more = NONE)
      constant = more.empty? && BLOCKS.fetch(headers) { constant(headers) }
      constant || with(headers, more)
    end

    private_class_method def self.with(headers, more)
      block = String.new
      pairs(headers).each { |name, value| add(block, name, value) } if headers
      more.each { |name, value| add(block, name, value) }
      block
    end

    # Programs have few constant ones, which are made once.
    private_class_method def self.constant(headers)
      return unless headers.is_a?(Hash) && headers.frozen? && BLOCKS.size < 64

      changing = headers.any? { |pair| pair.any? { |it| !it.frozen? || it.is_a?(Array) } }
      BLOCKS[headers] = changing ? nil : with(headers, NONE).freeze
    end

    private_class_method def self.pairs(headers)
      right = headers.is_a?(Array) ? headers.all? { |it| it.is_a?(Array) && it.size == 2 } : headers.respond_to?(:each)
      return headers if right

      raise HeaderError, "headers: expected a Hash, or an Array of pairs of name and value (got #{headers.inspect})"
    end

    private_class_method def self.add(block, name, value)
      case value
      when String, Symbol, Integer then block << line(name.to_s.b, value.to_s.b)
      when Array then value.each { |it| add(block, name, it) }
      else
        value.nil? || raise(HeaderError, "the header #{name}: expected a String, Symbol, Integer, nil or an Array of " \
                                         "these (got #{value.inspect})")
      end
    end

    private_class_method def self.line(name, value)
      raise HeaderError, "the header name #{name.inspect} is not a token" if name.empty? || name.match?(/[:\r\n\0]/n)
      raise HeaderError, "the header #{name} has a line break or NUL in its value" if value.match?(/[\r\n\0]/n)

      name << ': ' << value << "\r\n"
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
