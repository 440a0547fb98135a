# frozen_string_literal: true

module Hijack
  # A block that the program gives for what happens later.
  # @api private
  module Callback
    # A block leaves out what it does not take; a lambda or method is called with as much as it takes, so that one that
    # takes the first fact alone may be given.
    # @return [Proc]
    # @raise [InvalidError] there is none
    def self.lenient(block, what)
      raise InvalidError, "#{what}: a block is expected, and none was given" unless block
      return block unless block.lambda?

      taken = [block.parameters.count { |kind,| %i[req opt].include?(kind) }, 1].max
      ->(*facts) { block.call(*facts.first(taken)) }
    end
  end
end
