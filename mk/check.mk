# SPDX-License-Identifier: GPL-2.0-only
#
# make check and its tiers. Each tier appends one line a test to a results file
# ($KHO_RESULTS) and goes on after a failure; mk/results.py sums them up.

FUZZ_SECONDS ?= 5
TIER_ENV = SAN=$(SAN) UNIT_PROGS="$(TEST_PROGS)" SIM_PROGS="$(SIM_PROGS)" FUZZ_PROGS="$(FUZZ_PROGS)" \
	FUZZ_SECONDS=$(FUZZ_SECONDS) \
	METRICS_SERVE="$(METRICS_SERVE)"

.PHONY: check check-all unit sim model metrics lint fuzz fuzzers bench-fleet
# Guests have no sanitizer runtime: SAN=1 is for the tiers on this machine
# Two machines at a time keep two CPUs busy; one alone waits a good part of the time
check: $(METRICS_SERVE)
check: all tests fuzzers $(if $(SAN),,lab-image deb) ## all tiers: docs/testing.md (LONG=1: all lab tests)
	$(Q)$(TIER_ENV) LAB_JOBS=$${LAB_JOBS:-2} TESTS="$(TESTS)" \
		mk/check.sh lint unit sim metrics model fuzz $(if $(SAN),,package lab $(if $(LONG),lab-long))

check-all: ## make check LONG=1, sanitizers, 20 reclaims, soaks, kernels with KHO, benches
	$(Q)$(MAKE) --no-print-directory LONG=1 check
	$(Q)$(MAKE) --no-print-directory SAN=1 unit
	$(Q)$(MAKE) --no-print-directory SAN=1 sim
	$(Q)LAB_CYCLES=20 TESTS=reclaim mk/check.sh lab
	$(Q)$(MAKE) --no-print-directory soak
	$(Q)$(MAKE) --no-print-directory lab-kho
	$(Q)$(MAKE) --no-print-directory lab-kho NEXT=kho-btf TESTS="kexec kexec_many"
	$(Q)$(MAKE) --no-print-directory lab-kho ROLE=new FLAVOUR=kho-btf
	$(Q)$(MAKE) --no-print-directory lab-kho ROLE=old FLAVOUR=kho-btf
	$(Q)$(MAKE) --no-print-directory bench-spawn
	$(Q)$(MAKE) --no-print-directory bench-blackout
	$(Q)$(MAKE) --no-print-directory bench-probes
	$(Q)$(MAKE) --no-print-directory bench-methods
	$(Q)$(MAKE) --no-print-directory bench-fleet

unit: tests ## unit tests (SAN=1: under ASan and UBSan)
	$(Q)$(TIER_ENV) mk/check.sh unit

sim: $(SIM_PROGS) ## whole upgrades on fakes, a fault at every point (SIM_SEED= for other lots)
	$(Q)$(TIER_ENV) mk/check.sh sim

model: ## the two kernels as a Promela model, checked by spin; TESTS="a b" picks properties
	$(Q)MODEL_TESTS="$(TESTS)" mk/check.sh model

metrics: $(METRICS_SERVE) $(B)/bin/khoctl ## a real Prometheus on what agents show, alerts, dashboard
	$(Q)$(TIER_ENV) mk/check.sh metrics

bench-fleet: $(BENCH_FLEET) ## what a fleet asks of a real etcd; FLEET_MACHINES=, FLEET_ROLLED=
	$(Q)$(BENCH_FLEET)

lint: $(GENERATED_H) ## project rules, shellcheck, cppcheck, sizes, self-contained headers
	$(Q)mk/check.sh lint

fuzzers: $(FUZZ_PROGS)

fuzz: fuzzers ## run each fuzz target for FUZZ_SECONDS=5
	$(Q)$(TIER_ENV) mk/check.sh fuzz
