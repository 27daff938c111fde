# The door: what a person types. Meson and ninja do the work, tools/ holds what is longer than a line.

BUILD  ?= build
PREFIX ?=
# Debian's own: another one that shadows it may run under a Python without Debian's modules.
MESON  ?= $(firstword $(wildcard /usr/bin/meson) meson)

.DEFAULT_GOAL := all
.PHONY: all deps test check demo bench bench-server bench-messages bench-flow bench-map bench-kernel bench-spool bench-trust check-guest soak install fuzz format lint clean help

help:
	@echo 'make            build into $(BUILD)/'
	@echo 'make deps       install the Debian packages that are missing (tools/packages.txt)'
	@echo 'make test       the everyday tests: unit, interop, end to end, on $(BUILD)/'
	@echo 'make check      everything CI runs: two compilers, an older kernel, sanitizers, valgrind, fuzzing, installation, form'
	@echo 'make check-guest  of these, what runs in virtual machines: older kernels, BPF programs, kith.ko'
	@echo 'make demo       see it work: stock ZeroMQ clients, known by the kernel'"'"'s word'
	@echo 'make bench      the figures, as ratios to a raw socket and to libzmq'
	@echo 'make bench-server  the asynchronous server against raw epoll, io_uring, libuv, libevent, libev and redis'
	@echo 'make bench-messages  message libraries: kith, libzmq, nng, nanomsg and frames packed by hand, with the aims beside'
	@echo 'make bench-flow  what being recorded by kith flow costs a program, and how long a recording takes'
	@echo 'make bench-map  what a map of a crowded host costs, beside ss, lsof and the raw limit'
	@echo 'make bench-kernel  what a message from the kernel costs, to a process and over the network, beside a netlink datagram each, in a guest'
	@echo 'make bench-spool  messages a second that the spool makes durable, beside raw appends'
	@echo 'make bench-trust  what the kernel'"'"'s word, policy, descriptors and shared memory cost and save, as ratios, with the aims beside'
	@echo 'make soak       ten minutes of kith and libzmq clients that come, talk, leave and are killed; SECONDS=60 for one'
	@echo 'make install    install; PREFIX=/usr and DESTDIR=... as usual'
	@echo 'make fuzz       look for more inputs; SECONDS=60 a target, TARGET=zmtp for one'
	@echo 'make format     clang-format every C file; make lint: only say what is wrong (format, layers, symbols, man pages)'
	@echo 'make clean      remove every build folder'

$(BUILD)/build.ninja:
	$(MESON) setup $(BUILD)

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

deps:
	tools/install-deps

test: all
	tools/run-tests quick --build $(BUILD)

check:
	tools/run-tests all

check-guest:
	tools/run-tests guest

demo: deps
	@$(MAKE) --no-print-directory all
	tools/demo $(BUILD)

bench: all
	tools/bench $(BUILD)

bench-server: all
	tools/bench-server $(BUILD)

bench-messages: all
	tools/bench-messages $(BUILD)

bench-flow: all
	tools/bench-flow $(BUILD)

bench-map: all
	tools/bench-map $(BUILD)

bench-kernel: all
	tests/kmod/kmod.py $(BUILD)/flow-kernels . tools/run-guest --show --seconds 500 --file $(BUILD)/cli/kith $(addprefix $(BUILD)/tests/kmod/,bench-kernel bench-ways)

bench-spool: all
	tools/bench-spool $(BUILD)

bench-trust: all
	tools/bench-trust $(BUILD)

soak: all
	/usr/bin/python3 tests/soak/soak.py $(BUILD)/tests/soak/soak-server $(BUILD)/tests/soak/soak-client --seconds $(or $(SECONDS),600)

install: $(BUILD)/build.ninja
	$(if $(PREFIX),$(MESON) configure $(BUILD) -Dprefix=$(PREFIX))
	ninja -C $(BUILD)
	$(MESON) install -C $(BUILD) --no-rebuild --quiet
	$(if $(DESTDIR),,ldconfig)

fuzz:
	tools/run-tests fuzz --seconds $(or $(SECONDS),60) $(if $(TARGET),--target $(TARGET))

format:
	tools/check-format --fix

lint:
	tools/check-format
	tools/check-layers
	tools/check-symbols
	tools/check-man

clean:
	rm -rf build build-*
