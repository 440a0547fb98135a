# For the scripts here, in the folder go/: what go needs to find libhijack.
if ! folder=$(pkg-config --variable=libdir libhijack); then
    echo "pkg-config does not find libhijack: install it, or set PKG_CONFIG_PATH to the folder of libhijack.pc" >&2
    exit 1
fi
# Go's build cache does not see what pkg-config says; this makes it tell one library's folder from another's.
CGO_LDFLAGS=-L$(cd "$folder" && pwd)
LD_LIBRARY_PATH=${CGO_LDFLAGS#-L}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
GOFLAGS="${GOFLAGS:-} -buildvcs=false"
export CGO_LDFLAGS LD_LIBRARY_PATH GOFLAGS
