# frozen_string_literal: true

# Runs at gem install. Where the system has a libhijack that fits, that one is used; else the library is built from the
# sources in the gem, and put beside the Ruby files. `gem install hijack_ffi -- --enable-bundled` builds it anyway.
#
# Without mkmf: nothing here is compiled against Ruby, so its headers are not needed.
require 'fiddle'
require 'rbconfig'

ROOT = File.expand_path('../../..', __dir__)
LIBRARY = File.join(ROOT, 'ruby/lib/hijack_ffi/libhijack.so')
VERSION = File.read(File.join(ROOT, 'VERSION')).strip
SERIES = VERSION[/\A\d+\.\d+/] # libraries of one series fit each other, if they are not older
SONAME = "libhijack.so.#{SERIES}"
PACKAGES = %w[build-essential cmake pkg-config].freeze

def installed?
  version = `pkg-config --modversion libhijack 2>/dev/null`.strip
  return false unless Gem::Version.correct?(version) && version.start_with?("#{SERIES}.")

  Gem::Version.new(version) >= Gem::Version.new(VERSION) && Fiddle.dlopen(SONAME) && version
rescue Errno::ENOENT, Fiddle::DLError
  false # no pkg-config; or not where programs look for libraries
end

def missing_packages
  PACKAGES.reject { |name| `dpkg-query -W -f='${Status}' #{name} 2>/dev/null`.end_with?('install ok installed') }
rescue Errno::ENOENT
  PACKAGES # no Debian: the equivalents of all of them
end

def fail_to_build(log)
  missing = missing_packages
  advice = if missing.empty?
             'All packages it needs seem to be there.'
           else
             "It needs these: apt-get install #{missing.join(' ')}"
           end
  abort "#{log}\nhijack_ffi cannot build libhijack; the reason is above. #{advice}\n" \
        "Or install libhijack #{SERIES} where pkg-config finds it, and this gem will use that."
end

def configure
  log = IO.popen(['cmake', '-S', ROOT, '-B', 'build', '-DCMAKE_BUILD_TYPE=Release', '-DHIJACK_BUILD_TESTS=OFF',
                  '-DHIJACK_BUILD_BENCH=OFF', '-DHIJACK_BUILD_DEMOS=OFF',
                  '-DHIJACK_TLS=AUTO', '-DHIJACK_HTTP2=AUTO', '-DHIJACK_DEFLATE=AUTO', { err: %i[child out] }], &:read)
  fail_to_build(log) unless $?.success?
  puts log.lines.grep(/Without (TLS|HTTP|compression)/)
rescue Errno::ENOENT
  fail_to_build('There is no cmake.')
end

def makefile(all:, install:)
  File.write('Makefile', "all:\n#{all}\ninstall: all\n#{install}\nclean:\n\n.PHONY: all install clean\n")
end

bundled = ARGV.include?('--enable-bundled')
if !bundled && (version = installed?)
  puts "using libhijack #{version} of the system"
  makefile(all: '', install: '')
else
  configure
  puts "building libhijack #{VERSION}"
  makefile(all: "\tcmake --build build --target hijack --parallel\n",
           install: "\tcp -L build/libhijack.so '#{LIBRARY}'\n\trm -rf build\n")
end
