# Every task of this repository. `make` alone lists them.

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
TARGET := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release

BINDIR := $(DESTDIR)$(PREFIX)/bin
MANDIR := $(DESTDIR)$(PREFIX)/share/man
SHAREDIR := $(DESTDIR)$(PREFIX)/share/canhazgpu
BASHDIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISHDIR := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

SCRIPTS := $(wildcard scripts/*.sh) .ci/run completions/chg.bash
SHIMS := $(wildcard shims/*)
PAGES := $(wildcard man/*.[0-9])

.DEFAULT_GOAL := help
.PHONY: help build try test test-gpu lint man install uninstall

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the program, optimised, as target/release/chg
	$(CARGO) build --release --locked

try: build ## See it work in half a minute, on this machine's GPUs or on simulated ones
	scripts/try.sh "$(RELEASE)/chg"

test: ## Run every test (installs the programs they need, where that is allowed)
	scripts/needs.sh cc redis-server setpriv tmux bash bash-completion dash zsh fish vi less man strace ip
	@# Without these, or where no container can be run, the scenes with containers say SKIP.
	-scripts/needs.sh podman runc busybox
	$(CARGO) test --workspace --locked --no-fail-fast

test-gpu: build ## Check the program against this machine's real GPUs
	scripts/try.sh "$(RELEASE)/chg" nvidia

lint: ## Check format, lints, shell scripts and manual pages
	scripts/needs.sh cc shellcheck mandoc
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	shellcheck $(SCRIPTS) $(SHIMS)
	mandoc -Tlint -W warning $(PAGES)

man: ## Read the manual
	@MANPATH="$(CURDIR)/man:" man -l man/canhazgpu.1

install: build ## Install below PREFIX (/usr/local), staged below DESTDIR
	install -d "$(BINDIR)" "$(MANDIR)/man1" "$(MANDIR)/man5" "$(MANDIR)/man7" "$(SHAREDIR)/shims" \
	    "$(BASHDIR)" "$(ZSHDIR)" "$(FISHDIR)"
	install -m 755 "$(RELEASE)/canhazgpu" "$(BINDIR)/canhazgpu"
	ln -sf canhazgpu "$(BINDIR)/chg"
	install -m 755 $(SHIMS) "$(SHAREDIR)/shims/"
	for page in $(PAGES); do install -m 644 "$$page" "$(MANDIR)/man$${page##*.}/"; done
	ln -sf canhazgpu.1 "$(MANDIR)/man1/chg.1"
	install -m 644 completions/chg.bash "$(BASHDIR)/chg"
	ln -sf chg "$(BASHDIR)/canhazgpu"
	install -m 644 completions/_chg "$(ZSHDIR)/_chg"
	install -m 644 completions/chg.fish "$(FISHDIR)/chg.fish"
	ln -sf chg.fish "$(FISHDIR)/canhazgpu.fish"

uninstall: ## Remove what install put there; reservations and configuration stay
	rm -f "$(BINDIR)/chg" "$(BINDIR)/canhazgpu" "$(MANDIR)/man1/chg.1"
	for page in $(notdir $(PAGES)); do rm -f "$(MANDIR)/man$${page##*.}/$$page"; done
	rm -f "$(BASHDIR)/chg" "$(BASHDIR)/canhazgpu" "$(ZSHDIR)/_chg" "$(FISHDIR)/chg.fish" "$(FISHDIR)/canhazgpu.fish"
	for shim in $(notdir $(SHIMS)); do rm -f "$(SHAREDIR)/shims/$$shim"; done
	-rmdir "$(SHAREDIR)/shims" "$(SHAREDIR)" 2>/dev/null

.PHONY: bench torture

bench: build ## Measure speed and size; COLD=1 also times a cold build
	scripts/needs.sh cc redis-server
	$(CARGO) build --release --locked -p canhazgpu-bench
	"$(RELEASE)/bench" --chg "$(RELEASE)/chg" --results bench/RESULTS.md $(if $(COLD),--cold)

torture: build ## Random schedules of runs and crashes; SEED= SECONDS= STORE=sqlite|redis
	scripts/needs.sh cc redis-server setpriv
	$(CARGO) build --release --locked -p canhazgpu-bench
	"$(RELEASE)/torture" --chg "$(RELEASE)/chg" $(if $(SEED),--seed $(SEED)) \
	    $(if $(SECONDS),--seconds $(SECONDS)) $(if $(STORE),--store $(STORE))
