# The commands people type; CMake does the work. `make help` lists them.
.DEFAULT_GOAL := help
# The steps here share build folders, and what they start brings its own parallelism: -j and a jobserver stay outside.
.NOTPARALLEL:
unexport MAKEFLAGS MFLAGS MAKELEVEL

PORT ?= 9292
NAME = beep
PREFIX ?= /usr/local

.PHONY: help demo demo-c test check bench install docs format clean

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: build-demos ## the SSE page on http://127.0.0.1:9292/ (PORT=... picks another port); installs what is missing
	@echo "Open the address below in a browser. Ctrl-C stops the demo; PORT=0 picks a free port."
	@$(more_descriptors); exec build/release/demos/sse $(PORT)

demo-c: build-demos ## a C demo: make demo-c NAME=beep PORT=8000 (port 0: a free one); installs what is missing
	@[ -x build/release/demos/$(NAME) ] || \
	    { echo "No demo is called '$(NAME)'. There are:" $(basename $(notdir $(wildcard demos/*.c))) >&2; exit 2; }
	@$(more_descriptors); exec build/release/demos/$(NAME) $(PORT)

test: ## every test, also under the sanitizers; installs what is missing
	@scripts/install-deps test
	@exec scripts/run-tests

check: ## the short form for daily work: build, then the unit, api and net tests; installs nothing
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev
	@ctest --preset dev -L '^(unit|api|net)$$' -j 2

bench: ## release build, then every benchmark, one after the other; installs what is missing
	@scripts/install-deps test
	@cmake --preset release >/dev/null
	@cmake --build --preset release
	@$(more_descriptors); for name in $(sort $(basename $(notdir $(wildcard tests/bench/*.c)))); do \
	    echo "== $$name"; build/release/tests/bench/$$name || exit; \
	done

install: ## release build into PREFIX=/usr/local (DESTDIR is honoured); installs what is missing
	@scripts/install-deps build
	@cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	@cmake --build --preset release
	@cmake --install build/release

docs: ## write docs/options.md from the library's own table
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev --target hijack
	@mkdir -p docs && scripts/options-page build/dev/libhijack.so >build/options.md && cp build/options.md docs/

format: ## run clang-format on every C file
	@scripts/c-files | xargs clang-format -i

clean: ## remove everything that was built
	@rm -rf build

.PHONY: build-demos
build-demos:
	@scripts/install-deps build
	@cmake --preset release -DHIJACK_BUILD_BENCH=OFF >/dev/null
	@cmake --build --preset release

# Each held connection is a descriptor; take as many as this process may have.
more_descriptors = ulimit -S -n "$$(ulimit -H -n)" 2>/dev/null || :
