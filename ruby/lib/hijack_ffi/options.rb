# frozen_string_literal: true

module Hijack
  # The library's table of options, so that none is listed here: docs/reference/options.md.
  # @api private
  module Options
    # [scope, name] => [type, default, minimum, maximum, help]
    TABLE = C.options.each_line.to_h do |line|
      scope, name, type, minimum, maximum, default, help = line.chomp.split("\t")
      [[scope, name], [type, default, minimum, maximum, help]]
    end.freeze
    SWITCH = { true => 'on', false => 'off' }.freeze # also where no choice is called so: the library will refuse it
    private_constant :SWITCH

    # @yield [name, name_len, value, value_len] the call that sets it
    # @raise [OptionError, OutOfRangeError, StateError]
    def self.set(scope, name, value, where = '')
      name = name.to_s
      text = SWITCH.fetch(value, value).to_s
      result = yield(name, name.bytesize, text, text.bytesize)
      refuse(scope, name, result, value, where) if result.negative?
    end

    # @raise [Error]
    def self.refuse(scope, name, result, value = nil, where = '')
      what = "#{where}option #{name}"
      case result
      when C::EOPTION then raise OptionError, "#{what}: a #{scope} has no option of this name#{suggestion(scope, name)}"
      when C::EHANDLE then raise ClosedError, "#{what}: this #{scope} has been freed"
      when C::ERANGE
        type, _, minimum, maximum, help = TABLE.fetch([scope, name])
        expected = format(C::VALUES.fetch(type), minimum: minimum, maximum: maximum, help: help)
        raise OutOfRangeError, "#{what}: expected #{expected} (got #{value.inspect})"
      else raise Error.for(result, what)
      end
    end

    private_class_method def self.suggestion(scope, name)
      names = TABLE.keys.filter_map { |of, it| it if [scope, ('queue' if scope == 'server')].include?(of) } << 'workers'
      near = defined?(DidYouMean) && DidYouMean::SpellChecker.new(dictionary: names).correct(name).first
      near ? "; did you mean #{near}?" : '; docs/reference/options.md lists them'
    end

    # @return [Boolean] whether it is the event queue's
    def self.queue?(name)
      TABLE.key?(['queue', name.to_s])
    end

    # @return [String]
    def self.default(scope, name)
      TABLE.fetch([scope, name])[1]
    end

    # @return [Integer, String] a server's option as the library writes it, in Ruby's type
    def self.parse(name, text)
      type, = TABLE.fetch(['server', name])
      %w[int size].include?(type) ? Integer(text, 10) : text
    end
  end
end
