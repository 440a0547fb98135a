# frozen_string_literal: true

# libhijack: very many live HTTP connections in one process, held by the library's own threads. Start with
# {Hijack::Server}.
module Hijack
end

require_relative 'hijack_ffi/library'
require_relative 'hijack_ffi/headers'
require_relative 'hijack_ffi/options'
require_relative 'hijack_ffi/tls'
require_relative 'hijack_ffi/adopt'
require_relative 'hijack_ffi/rack_request'
require_relative 'hijack_ffi/lifetime'
require_relative 'hijack_ffi/reader'
require_relative 'hijack_ffi/body'
require_relative 'hijack_ffi/request'
require_relative 'hijack_ffi/connection'
require_relative 'hijack_ffi/printing'
require_relative 'hijack_ffi/stream'
require_relative 'hijack_ffi/relay'
require_relative 'hijack_ffi/socket'
require_relative 'hijack_ffi/websocket'
require_relative 'hijack_ffi/newcomer'
require_relative 'hijack_ffi/callback'
require_relative 'hijack_ffi/presence'
require_relative 'hijack_ffi/slot'
require_relative 'hijack_ffi/broadcaster'
require_relative 'hijack_ffi/event_queue'
require_relative 'hijack_ffi/pool'
require_relative 'hijack_ffi/handles'
require_relative 'hijack_ffi/server'
require_relative 'hijack_ffi/local'
