#!/bin/sh
# Tests of the Go package: check.sh [name...]; without a name, all of them.
#
#     style    gofmt and go vet, with each build tag
#     test     the tests, with cgo's own checks
#     race     under the race detector
#     collect  with a collection at each use of a handle (build tag hijack_gc)
#     static   linked with the static library (build tag hijack_static)
#     package  in a module outside the checkout, see package.sh
#
# pkg-config must find libhijack; libhijack.so is found beside its .pc file.
set -eu
cd "$(dirname "$0")/.."
. tests/environment.sh

for name in ${*:-style test race collect static package}; do
    case $name in
    style)
        unformatted=$(gofmt -l .)
        if [ -n "$unformatted" ]; then
            echo "gofmt -w changes these files:" $unformatted >&2
            exit 1
        fi
        for tags in none hijack_gc hijack_static; do
            go vet -tags $tags ./...
        done
        ;;
    test) GODEBUG=cgocheck=1 go test -count=1 . ;;
    race) go test -count=1 -race . ;;
    collect) go test -count=1 -tags hijack_gc . ;;
    static) go test -count=1 -tags hijack_static . ;;
    package) tests/package.sh ;;
    *)
        sed -n '2,9s/^# \{0,1\}//p' tests/check.sh >&2
        exit 2
        ;;
    esac
done
