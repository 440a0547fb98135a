#!/bin/sh
# The gem itself: builds it, installs it into a folder of its own, and runs a program that uses it from outside of the
# checkout. package.sh [folder for everything]; without one, a new folder that is removed at the end. Nothing comes from
# the network: ffi has to be installed. Takes about a minute, since the library is compiled.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
if [ $# -gt 0 ]; then
    mkdir -p "$1"
    folder=$(cd "$1" && pwd)
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
unset HIJACK_LIBRARY RUBYLIB RUBYOPT LD_LIBRARY_PATH

fail()
{
    echo "package.sh: $1" >&2
    [ ! -f "$folder/log" ] || cat "$folder/log" >&2
    exit 1
}

# check <name of the gem home> <arguments of gem install...>: installs the gem there and uses it.
check()
{
    home=$folder/$1
    shift
    rm -rf "$home"
    GEM_HOME=$home GEM_PATH=$home:$paths gem install --local --no-document "$gem" "$@" >"$folder/log" 2>&1 ||
        fail "gem install failed"
    cat >"$folder/program.rb" <<'PROGRAM'
require 'hijack_ffi'
Hijack::Server.open { |server| puts "#{server.listen('127.0.0.1:0').positive?} #{server.start.running?}" }
puts Hijack::C.ffi_libraries.first.name
PROGRAM
    GEM_HOME=$home GEM_PATH=$home:$paths ruby -w "$folder/program.rb" >"$folder/log" 2>&1 || fail "the installed gem does not work"
    [ "$(head -n 1 "$folder/log")" = "true true" ] || fail "the installed gem does something else"
}

paths=$(ruby -e 'puts Gem.path.join(":")')
ruby -e 'require "ffi"' 2>/dev/null || fail "the gem ffi is missing (on Debian: apt-get install ruby-ffi)"
gem=$folder/hijack_ffi.gem
cd "$root"
gem build hijack_ffi.gemspec --output "$gem" >"$folder/log" 2>&1 || fail "gem build failed"
cd "$folder"

# With its own library.
check bundled -- --enable-bundled
own=$folder/bundled/gems/hijack_ffi-$(cat "$root/VERSION")/ruby/lib/hijack_ffi/libhijack.so
[ "$(tail -n 1 "$folder/log")" = "$own" ] || fail "the gem's own library was not used"

# With one that the system has.
system=$folder/system
soname=libhijack.so.$(cut -d. -f1,2 "$root/VERSION")
mkdir -p "$system"
cp "$own" "$system/$soname"
printf 'Name: libhijack\nDescription: installed\nVersion: %s\n' "$(cat "$root/VERSION")" >"$system/libhijack.pc"
export PKG_CONFIG_PATH="$system" LD_LIBRARY_PATH="$system"
check with_system
[ "$(tail -n 1 "$folder/log")" = "$soname" ] || fail "the system's library was not used"
unset PKG_CONFIG_PATH LD_LIBRARY_PATH

# Without the tools to build one: a sentence that says what to install.
mkdir -p "$folder/bin" "$folder/build"
ln -sf "$(command -v ruby)" "$(command -v sh)" "$folder/bin"
cd "$folder/build"
if PATH=$folder/bin ruby "$root/ruby/ext/hijack_ffi/extconf.rb" >"$folder/log" 2>&1; then
    fail "it builds without cmake"
fi
grep -q 'There is no cmake' "$folder/log" && grep -q 'apt-get install build-essential cmake' "$folder/log" ||
    fail "it does not say what is missing"

echo "hijack_ffi: built, installed and used"
