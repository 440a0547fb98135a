#!/bin/sh
# Makes the virtual environment that the demos and tests of the Python package run in: venv.sh [FOLDER [demo]]
# FOLDER: build/venv of the checkout where none is given. demo: only what the demos need. PYTHON names the interpreter,
# python3 where it is not set. What is there already is kept; the package is compiled and installed again when one of
# its sources, or of libhijack's, has changed.
set -eu
checkout=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$checkout/build/venv}
python=${PYTHON:-python3}
building="cffi scikit-build-core"
testing="pytest mypy uvicorn httptools uvloop starlette fastapi sse-starlette h2 websockets wsproto httpx2 gunicorn gevent flask django trio redis"

say()
{
    echo "python/tests/venv.sh: $1" >&2
    exit 1
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || say "$python is no Python 3.9 or later."
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    say "there is no module venv (on Debian: apt-get install python3-venv)."

# An environment of another Python, or half a one, is made again.
version=$("$python" -c 'import sys; print(sys.version, sys.base_prefix)')
if [ "$(cat "$folder/version" 2>/dev/null)" != "$version" ]; then
    rm -rf "$folder"
    "$python" -m venv "$folder"
    echo "$version" >"$folder/version"
fi
folder=$(cd "$folder" && pwd)

# once STAMP STATE COMMAND...: runs the command unless STAMP says that it has run for STATE.
once()
{
    stamp=$folder/$1
    state=$2
    shift 2
    [ "$(cat "$stamp" 2>/dev/null)" != "$state" ] || return 0
    rm -f "$stamp"
    "$@" >"$folder/log" 2>&1 || {
        cat "$folder/log" >&2
        say "failed: $*"
    }
    echo "$state" >"$stamp"
}

install()
{
    "$folder/bin/python" -m pip --disable-pip-version-check install -q "$@"
}

# shellcheck disable=SC2086 # lists
{
    once building "$building" install $building
    [ "${2:-}" = demo ] || once testing "$testing" install $testing
}

cd "$checkout"
sources=$(find python/src python/pyproject.toml python/CMakeLists.txt python/build_ffi.py \
    include src cmake CMakeLists.txt VERSION -name __pycache__ -prune -o -type f -print | LC_ALL=C sort)
# shellcheck disable=SC2086 # lists
once package "$(cat $sources | sha256sum) $(echo "$sources" | sha256sum)" \
    install --no-build-isolation --no-deps --force-reinstall --config-settings=build-dir="$folder/build" ./python
