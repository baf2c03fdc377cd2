# Every task of this repository. `make` alone lists them.

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
TARGET := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release

STAGE := $(TARGET)/stage
DIST := $(TARGET)/dist
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

SCRIPTS := $(wildcard scripts/*.sh packaging/debian/*) .ci/run completions/chg.bash
SHIMS := $(wildcard shims/*)
PAGES := $(wildcard man/*.[0-9])

.DEFAULT_GOAL := help
.PHONY: help build try test test-gpu test-packages lint man install uninstall dist deb stage

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the program, optimised, as target/release/chg
	$(CARGO) build --release --locked

try: build ## See it work in half a minute, on this machine's GPUs or on simulated ones
	scripts/try.sh "$(RELEASE)/chg"

test: ## Run every test (installs the programs they need, where that is allowed)
	scripts/needs.sh cc redis-server setpriv tmux bash bash-completion dash zsh fish vi less man strace ip python3 perl openssl pgrep script chattr dropbear
	@# Without these, or where no container can be run, the scenes with containers say SKIP.
	-scripts/needs.sh podman runc busybox
	$(CARGO) test --workspace --locked --no-fail-fast

test-gpu: build ## Check the program against this machine's real GPUs (77: there is none that is free)
	scripts/test-gpu.sh "$(RELEASE)/chg"

test-packages: deb ## Try the packages in fresh roots of this system (as root; ten minutes)
	@if [ "$$(id -u)" -eq 0 ]; then \
	    scripts/needs.sh mmdebstrap tmux && \
	    $(CARGO) build --release --locked -p fakenvml && package="$$(ls -t $(DIST)/*.deb | head -n 1)" && \
	    scripts/clean-root.sh source && scripts/clean-root.sh package "$$package" && \
	    scripts/clean-root.sh systemd "$$package" "$(RELEASE)/libfakenvml.so"; \
	else echo 'SKIP: fresh roots are made by root alone'; fi

lint: ## Check format, lints, shell scripts and manual pages
	scripts/needs.sh cc shellcheck mandoc
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	shellcheck $(SCRIPTS) $(SHIMS)
	mandoc -Tlint -W warning $(PAGES)

man: ## Read the manual
	@MANPATH="$(CURDIR)/man:" man -l man/canhazgpu.1

install: stage ## Install below PREFIX (/usr/local), staged below DESTDIR
	PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install.sh --from "$(STAGE)"

uninstall: ## Remove what install put there; reservations and configuration stay
	PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install.sh --remove

dist: stage ## Pack the built program with its manual as a tarball
	scripts/needed.sh "$(STAGE)/bin/canhazgpu"
	scripts/dist.sh "$(STAGE)" "$(VERSION)" "$(DIST)"

deb: stage ## Make a Debian package
	scripts/deb.sh "$(STAGE)" "$(VERSION)" "$(DIST)"

# Root often does not know the builder's cargo: then what is built already will do.
stage:
	@if command -v "$(CARGO)" >/dev/null || ! [ -x "$(RELEASE)/canhazgpu" ]; then $(MAKE) build; fi
	@scripts/stage.sh "$(RELEASE)/canhazgpu" "$(STAGE)"

.PHONY: bench torture fuzz

bench: build ## Measure speed and size; WARM=1 leaves out the build from nothing
	scripts/needs.sh cc redis-server
	$(CARGO) build --release --locked -p canhazgpu-bench
	"$(RELEASE)/bench" --chg "$(RELEASE)/chg" --results bench/RESULTS.md $(if $(WARM),,--cold)

torture: build ## Random schedules of runs and crashes; SEED= SECONDS= STORE=sqlite|redis
	scripts/needs.sh cc redis-server setpriv bash
	$(CARGO) build --release --locked -p canhazgpu-bench
	"$(RELEASE)/torture" --chg "$(RELEASE)/chg" $(if $(SEED),--seed $(SEED)) \
	    $(if $(SECONDS),--seconds $(SECONDS)) $(if $(STORE),--store $(STORE))

fuzz: ## Feed every reader of foreign input for SECONDS= each; needs cargo-fuzz and a nightly compiler
	@for target in $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs))); do \
	    mkdir -p fuzz/found/$$target && \
	    $(CARGO) +nightly fuzz run -s none $$target fuzz/found/$$target fuzz/corpus/$$target -- \
	        -max_total_time=$(or $(SECONDS),60) -max_len=8192 -print_final_stats=1 || exit 1; \
	done
