# frozen_string_literal: true

# An everyday configuration: nothing in it is special to libhijack. WORKERS and PRELOAD choose how it forks.
bind "tcp://127.0.0.1:#{ENV.fetch('PORT', '9292')}"
threads 1, 5
workers Integer(ENV.fetch('WORKERS', '0'))
preload_app!(ENV.key?('PRELOAD'))
Process.setrlimit(:NOFILE, Process.getrlimit(:NOFILE).last)
