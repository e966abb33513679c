# SPDX-License-Identifier: GPL-2.0-only
#
# make help lists the targets. Products go to build/; mk/*.mk say how.
#
# Building needs trixie's libraries, testing needs much more. Where they are
# missing, a target makes the build root (mk/root.sh) and runs itself in there
# (mk/enter): so `make check` works on any Debian machine as root.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

IN_ROOT := $(wildcard /etc/kho-build-root)
NATIVE  := $(or $(IN_ROOT),$(shell pkg-config --exists 'libsystemd >= 257' libprotobuf-c libbpf && \
           command -v protoc-c >/dev/null && command -v clang >/dev/null && echo yes))
JOBS ?= $(shell nproc)

# What the user can ask for, by where it can run
BUILD_TARGETS := all programs modules tests
ROOT_TARGETS  := check check-all unit sim model metrics lint fuzz fuzzers deb package lab soak demo \
                 bench-spawn bench-blackout bench-probes bench-methods \
                 bench-fleet lab-image lab-kho kernel

include mk/toolchain.mk
include mk/install.mk
ifneq ($(NATIVE),)
include mk/bpf.mk
include mk/agent.mk
include mk/kernel.mk
include mk/tests.mk
REDIRECTED := $(if $(IN_ROOT),,$(ROOT_TARGETS))
else
REDIRECTED := $(BUILD_TARGETS) $(ROOT_TARGETS)
endif
ifneq ($(IN_ROOT),)
include mk/check.mk
include mk/lab.mk
include mk/deb.mk
endif

ifneq ($(REDIRECTED),)
.PHONY: $(REDIRECTED)
$(REDIRECTED):
	@$(if $(filter check check-all metrics,$@),mk/npm.sh &&) exec mk/enter make --no-print-directory -j$(JOBS) $@
endif

.PHONY: all programs modules tests
ifneq ($(NATIVE),)
all: programs modules ## build programs and modules (in the build root if this machine lacks libraries)
programs: $(PROGRAMS) $(B)/libkho.a
modules: $(MODULES) ## build multikernel.ko for every kernel whose headers are there
tests: $(TEST_PROGS) $(SIM_PROGS) ## build the unit tests and the simulator
endif

.PHONY: root shell clean clean-cache help
root: ## make the build root only
	@mk/root.sh

shell: ## a shell in the build root
	@exec mk/enter

clean: ## remove build/
	rm -rf build

clean-cache: ## remove the cached build roots and lab systems
	@mk/clean-cache.sh

help: ## this list
	@cat Makefile mk/*.mk | sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' | sort | \
		awk -F'\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'
	@echo
	@echo '  V=1 shows command lines; SAN=1 builds with ASan and UBSan;'
	@echo '  TESTS="a b" picks lab tests; FLAVOUR= a kernel; MIRROR= names a Debian mirror; JOBS= limits parallel builds.'
