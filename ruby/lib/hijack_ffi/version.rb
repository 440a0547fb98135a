# frozen_string_literal: true

# Made by bindings/generate from include/hijack/hijack.h. Do not edit.
module Hijack
  # The library's version that this package was made for.
  VERSION = '0.2.0'
  # The versions that it can use share this number.
  SERIES = '0.2'
  private_constant :SERIES
end
