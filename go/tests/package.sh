#!/bin/sh
# The package as somebody else uses it: a module in a folder of its own, with the shared and with the static library;
# what its user sees where cgo is missing; and the program of docs/reference/go.md.
set -eu
cd "$(dirname "$0")/.."
. tests/environment.sh
package=$PWD
consumer=$(mktemp -d)
trap 'rm -rf "$consumer"' EXIT
version=$(cat ../VERSION)

cd "$consumer"
export GOPROXY=off GOWORK=off
go mod init example.com/consumer 2>/dev/null
go mod edit -go=1.19 -require=github.com/libhijack/libhijack/go@v"$version" \
    -replace=github.com/libhijack/libhijack/go="$package"

cat >main.go <<'EOF'
package main

import (
	"fmt"

	hijack "github.com/libhijack/libhijack/go"
)

func main() {
	server, err := hijack.NewServer(nil)
	addr, _ := server.Listen("127.0.0.1:0")
	fmt.Println(hijack.LibraryVersion(), addr, err, server.Start(nil), server.Stop())
}
EOF

# runs <program>: says what the three lines should say
runs()
{
    said=$("$@")
    case $said in
    "$version 127.0.0.1:"*" <nil> <nil> <nil>") ;;
    *)
        echo "$* said: $said" >&2
        exit 1
        ;;
    esac
}

go build -o shared .
runs ./shared
go build -tags hijack_static -o static .
runs env -u LD_LIBRARY_PATH ./static
if ! ldd shared | grep -q libhijack || ldd static | grep -q libhijack; then
    echo "the tag hijack_static does not choose between the shared and the static library" >&2
    exit 1
fi

# Where there is no cgo, the compiler says so in one line. GOOS=windows stands for all systems without libhijack.
for without in CGO_ENABLED=0 "GOOS=windows CGO_ENABLED=0"; do
    if said=$(env $without go build . 2>&1) || [ "$(echo "$said" | grep -vc '^#')" != 1 ] ||
        ! echo "$said" | grep -q "needs Linux, a C compiler and CGO_ENABLED=1"; then
        echo "go build with $without said: $said" >&2
        exit 1
    fi
done

sed -n '/^```go$/,/^```$/p' "$package/../docs/reference/go.md" | sed '1d; /^```$/,$d' >main.go
go vet .
