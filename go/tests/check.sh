#!/bin/sh
# Tests of the Go package: check.sh [name...]; without a name, all of them but the last.
#
#     style    gofmt, and go vet with each build tag
#     test     the tests, with cgo's own checks
#     race     under the race detector
#     collect  with a collection at each use of a handle (build tag hijack_gc)
#     static   linked with the static library (build tag hijack_static)
#     package  in a module outside the checkout, see package.sh
#     modules  beside other people's modules, which go downloads: frameworks, WebSocket clients, ssh and the tests of
#              golang.org/x/net for a net.Conn; only if it is asked for
#
# With --build first, the test programs are only compiled: that takes all processors, running them must not. They are
# put into HIJACK_GO_TESTS, a new folder without it. HIJACK_LONG=1 repeats more often what needs it.
# pkg-config must find libhijack; libhijack.so is found beside its .pc file.
set -eu
cd "$(dirname "$0")/.."
. tests/environment.sh

run=true
if [ "${1:-}" = --build ]; then
    run=false
    shift
fi
if [ -n "${HIJACK_GO_TESTS:-}" ]; then
    mkdir -p "$HIJACK_GO_TESTS"
    programs=$(cd "$HIJACK_GO_TESTS" && pwd)
else
    programs=$(mktemp -d)
    trap 'rm -rf "$programs"' EXIT
fi

# tests <name> <arguments of go>...: compiles the test program, which go leaves alone when it is up to date, and runs it
# as "go test" would. The step style has vetted all of it.
tests()
{
    program=$programs/$1
    shift
    go test -c -vet=off -o "$program" "$@" .
    ! $run || "$program" -test.timeout="${HIJACK_LONG:+2}5m" -test.paniconexit0
}

for name in ${*:-style test race collect static package}; do
    case $name in
    style)
        unformatted=$(gofmt -l .)
        if [ -n "$unformatted" ]; then
            echo "gofmt -w changes these files:" $unformatted >&2
            exit 1
        fi
        go vet ./...
        for tags in hijack_gc hijack_static; do # only the package itself has files that a tag adds
            go vet -tags $tags .
        done
        ;;
    test)
        export GODEBUG=cgocheck=1
        tests test
        ;;
    race) tests race -race ;;
    collect) tests collect -tags hijack_gc ;;
    static) tests static -tags hijack_static ;;
    package) tests/package.sh ;;
    modules)
        minor=$(go env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
        if [ "${minor:-0}" -lt 24 ]; then
            echo "skipped: these modules need Go 1.24 or newer, this is $(go env GOVERSION)"
            exit 77
        fi
        (cd tests/modules && go vet . && go test -race -count=1 .)
        ;;
    *)
        sed -n '2,15s/^# \{0,1\}//p' tests/check.sh >&2
        exit 2
        ;;
    esac
done
