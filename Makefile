# The commands people type; CMake does the work. `make help` lists them.
.DEFAULT_GOAL := help
# The steps here share build folders, and what they start brings its own parallelism: -j and a jobserver stay outside.
.NOTPARALLEL:
unexport MAKEFLAGS MFLAGS MAKELEVEL

PORT ?= 9292
NAME = beep
PREFIX ?= /usr/local
SECONDS ?= 60

.PHONY: help demo demo-c demo-ruby demo-python demo-go test conformance stress check bench bench-peers bench-65k bench-100k \
	bench-1m fuzz coverage install docs docs-site format clean

help: ## list these commands
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 13

demo: ## the SSE page and a chat on http://127.0.0.1:9292/, in Ruby (PORT=... another port); installs what is missing
	@$(MAKE) --no-print-directory demo-ruby NAME=sse PORT=$(PORT) TLS=$(TLS)

demo-ruby: ## in Ruby sse, beep, hijack, websocket, chat, rooms, relay or tunnel: make demo-ruby NAME=chat PORT=8000; with TLS=1 by https
demo-python: ## the same in Python, and durable_streams
demo-go: ## the same in Go
demo-c: ## the same in C
demo-c demo-ruby demo-python demo-go: demo-%:
	@TLS=$(TLS) scripts/install-deps $(patsubst c,build,$*)
	@scripts/prepare $*
	@echo "Open the address below. Ctrl-C stops the demo; PORT=0 picks a free port."
	@TLS=$(TLS) exec scripts/demo $* "$(NAME)" $(PORT)

test: ## every test, also under the sanitizers, without libh2o and built by clang; installs what is missing
conformance: ## every language's demos against the whole conformance suite, again and again, also under the sanitizers
stress: ## the long form of the tests that repeat, hold many connections or mutate input; takes long
test conformance stress:
	@scripts/install-deps test
	@exec scripts/run-tests $@

check: ## the short form for daily work: build, then the unit, api and net tests; installs nothing
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev
	@ctest --preset dev -L '^(unit|api|net)$$' -j 2

bench: ## release build, then every benchmark, one after the other; installs what is missing
	@scripts/install-deps bench
	@cmake --preset release >/dev/null
	@for language in c ruby "python test" go; do HIJACK_BUILD=build/release scripts/prepare $$language || exit; done
	@$(more_descriptors); exec scripts/bench

bench-peers: ## libhijack beside Puma, nginx, Go, Node and Python, with plots in docs/pictures; QUICK=1 takes minutes
	@scripts/install-deps build
	@scripts/install-deps peers || echo "What is missing is left out."
	@cmake --preset release >/dev/null
	@HIJACK_BUILD=build/release scripts/prepare c
	@HIJACK_BUILD=build/release scripts/prepare peers
	@$(more_descriptors); exec python3 -B bindings/bench/peers/run.py --json build/peers.json \
		$(if $(QUICK),--quick --plots build/peers,--plots docs/pictures) $(PEERS)

bench-65k: ## one Ruby process holds 65,536 SSE connections under "ulimit -n 20000", and each gets every BEEP
bench-100k: ## the same with 100,000
bench-1m: ## the same with a million; takes about 12 GB of memory and some minutes
bench-65k bench-100k bench-1m: bench-%:
	@scripts/install-deps bench
	@cmake --preset release >/dev/null
	@HIJACK_BUILD=build/release scripts/prepare c
	@exec python3 -B bindings/bench/many.py $(subst 1m,1000000 3,$(subst k,000,$(subst 65k,65536,$*)))

fuzz: ## libFuzzer on each parser, 60 seconds each: make fuzz SECONDS=600; "scripts/fuzz 600 head" runs one alone
	@scripts/install-deps fuzz
	@exec scripts/fuzz $(SECONDS)

coverage: ## how many lines of src/codec the fuzz targets reach by their corpora; scripts/coverage --lines lists the rest
	@scripts/install-deps test
	@exec scripts/coverage 95

install: ## release build into PREFIX=/usr/local (DESTDIR is honoured); installs what is missing
	@scripts/install-deps build
	@cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	@cmake --build --preset release --target hijack hijack_static
	@cmake --install build/release

docs: ## write docs/reference/options.md from the library's own table
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev --target hijack
	@scripts/options-page build/dev/libhijack.so >build/options.md && cp build/options.md docs/reference/

docs-site: ## build the site of the documentation and serve it on http://127.0.0.1:9292/; installs what is missing
	@scripts/install-deps docs
	@scripts/prepare docs
	@command -v npm >/dev/null && npm install --silent --no-audit --no-fund --prefix build/site-npm mermaid@11.17.2 || :
	@NO_MKDOCS_2_WARNING=1 exec build/venv-docs/bin/mkdocs serve --dev-addr 127.0.0.1:$(PORT)

format: ## run clang-format on every C file
	@scripts/c-files | xargs clang-format -i

clean: ## remove everything that was built
	@rm -rf build

# Each held connection is a descriptor; take as many as this process may have.
more_descriptors = ulimit -S -n "$$(ulimit -H -n)" 2>/dev/null || :
