# frozen_string_literal: true

require 'json'
require_relative 'support'

# Thousands of clients in a process of their own; bindings/tools/crowd.py says what they obey.
class Crowd
  PROGRAM = File.expand_path('../../bindings/tools/crowd.py', __dir__)

  def self.open(*arguments)
    crowd = new(*arguments)
    yield crowd
  ensure
    crowd&.close
  end

  # The first answer: how the connections were opened.
  attr_reader :opened

  def initialize(*arguments)
    @pipe = IO.popen(['python3', '-B', PROGRAM, *arguments.map(&:to_s)], 'r+')
    @opened = answer
  end

  def tell(command)
    @pipe.puts command
    answer
  end

  def close
    @pipe.close
  end

  private

  def answer
    line = Timeout.timeout(90) { @pipe.gets } or raise 'the crowd has ended'
    JSON.parse(line)
  end
end
