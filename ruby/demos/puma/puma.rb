# frozen_string_literal: true

# An everyday configuration: nothing in it is special to libhijack. With workers (cluster mode) leave preload_app! out,
# so that each worker loads config.ru, and with it makes a server of its own.
bind "tcp://127.0.0.1:#{ENV.fetch('PORT', '9292')}"
threads 1, 5
Process.setrlimit(:NOFILE, Process.getrlimit(:NOFILE).last)
