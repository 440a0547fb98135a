# frozen_string_literal: true

# Prints each public class and method of the Ruby package, as the running package has them: Hijack::Server#hold.

require 'hijack_ffi'

def comment_above(location)
  file, line = location
  File.readlines(file)[0...(line - 1)].reverse.take_while { |text| text.strip.start_with?('#') }.join
end

def inside?(location)
  comment_above(location).include?('@api private')
end

def public_methods_of(noun)
  own = noun.singleton_methods(false).map { |name| [".#{name}", noun.method(name)] }
  own += noun.public_instance_methods(false).map { |name| ["##{name}", noun.instance_method(name)] }
  own << ['.new', noun.instance_method(:initialize)] if noun.private_method_defined?(:initialize, false)
  own.reject { |_, method| method.source_location.nil? || inside?(method.source_location) }
end

Hijack.constants.each do |name|
  noun = Hijack.const_get(name)
  next if !noun.is_a?(Module) || inside?(Hijack.const_source_location(name))

  puts noun.name
  public_methods_of(noun).each { |method, _| puts noun.name + method }
end
public_methods_of(Hijack).each { |method, _| puts "Hijack#{method}" }
