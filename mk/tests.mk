# SPDX-License-Identifier: GPL-2.0-only
#
# tests/unit/test_*.c -> $(B)/tests/test_* (Check programs, linked with libkho.a;
#                        tests/unit/*.c of other names are linked into each)
# tests/sim/test_*.c  -> $(B)/tests/test_sim_*, likewise: whole upgrades on fakes
# tests/fuzz/fuzz_*.c -> build/fuzz/fuzz_* (libFuzzer, the library compiled anew
#                        by clang with coverage and sanitizers)

TEST_SRC    := $(wildcard tests/unit/test_*.c)
TEST_COMMON := $(patsubst %,$(B)/obj/%.o,$(filter-out $(TEST_SRC) tests/unit/agent_process.c, \
               $(wildcard tests/unit/*.c)))
TEST_PROGS  := $(TEST_SRC:tests/unit/%.c=$(B)/tests/%)
CHECK_LIBS  := $(shell pkg-config --libs check 2>/dev/null)

$(B)/tests/%: $(B)/obj/tests/unit/%.c.o $(TEST_COMMON) $(B)/libkho.a
	$(call msg,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) \
		$(PKG_LIBS) $(BPF_LIBS) $(CURL_LIBS) $(CHECK_LIBS)

# what the agent has beside the library, tested by itself
$(B)/tests/test_transfer: $(B)/obj/kho-agent/agent/transfer.c.o
$(B)/tests/test_docs $(B)/tests/test_khoctl: $(B)/obj/kho-agent/khoctl/call.c.o
$(B)/tests/test_measured: $(B)/obj/kho-agent/agent/gauge_message.c.o $(B)/obj/kho-agent/agent/gauge_report.c.o
$(B)/tests/test_hooks: $(B)/obj/kho-agent/agent/hooks.c.o $(B)/obj/kho-agent/agent/command.c.o
$(B)/tests/test_history: $(patsubst %,$(B)/obj/kho-agent/agent/%.c.o,history tally move_report_file)
# a whole one, but for its main()
$(B)/tests/test_agent: $(B)/obj/tests/unit/agent_process.c.o $(filter-out %/main.c.o,$(AGENT_OBJ))

# which they start
$(B)/tests/test_fleet_program: | $(B)/bin/kho-fleet
$(B)/tests/test_khoctl: | $(B)/bin/khoctl

SIM_SRC    := $(wildcard tests/sim/test_*.c)
SIM_COMMON := $(patsubst %,$(B)/obj/%.o,$(filter-out $(SIM_SRC),$(wildcard tests/sim/*.c)))
SIM_PROGS  := $(SIM_SRC:tests/sim/test_%.c=$(B)/tests/test_sim_%)

$(B)/tests/test_sim_%: $(B)/obj/tests/sim/test_%.c.o $(SIM_COMMON) $(B)/obj/tests/unit/run.c.o $(B)/libkho.a
	$(call msg,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) $(BPF_LIBS) $(CURL_LIBS) $(CHECK_LIBS)

# what a fleet costs etcd: make bench-fleet
BENCH_FLEET := $(B)/tests/bench_fleet
$(BENCH_FLEET): $(patsubst %,$(B)/obj/tests/%.c.o,bench/bench_fleet bench/fleet_agent bench/fleet_meter \
		unit/real_etcd unit/run) $(B)/libkho.a
	$(call msg,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) $(CURL_LIBS) $(CHECK_LIBS)

# what an agent shows, for a real Prometheus
METRICS_SERVE := $(B)/tests/metrics-serve
$(METRICS_SERVE): $(B)/obj/tests/metrics/serve.c.o $(B)/obj/tests/unit/fake_metrics.c.o $(B)/libkho.a
	$(call msg,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) $(CHECK_LIBS)

# Check's own macros: fixtures need no prototypes, its format attributes are wrong
$(B)/obj/tests/%.c.o: WARN += -Wno-missing-prototypes -Wno-format-extra-args
$(B)/obj/tests/%.c.o: INCS += -Itests

FUZZ_SRC    := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_PROGS  := $(FUZZ_SRC:tests/fuzz/%.c=build/fuzz/%)
FUZZ_OBJ    := $(LIB_SRC:%=build/fuzz/obj/%.o) $(PROTO_C:%=build/fuzz/obj/%.o)
FUZZ_FLAGS  := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

build/fuzz/%: build/fuzz/obj/tests/fuzz/%.c.o $(FUZZ_OBJ)
	$(call msg,FUZZLINK,$@)
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ $(PKG_LIBS) $(BPF_LIBS) $(CURL_LIBS)

build/fuzz/obj/%.c.o: %.c | $(GENERATED_H)
	$(call msg,FUZZCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CSTD) -O1 -g $(INCS) -Itests $(PKG_FLAGS) $(FUZZ_FLAGS) $(DEPFLAGS) -c -o $@ $<

build/fuzz/obj/%.S.o: %.S
	$(call msg,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(INCS) $(DEPFLAGS) -c -o $@ $<

.SECONDARY:
-include $(B)/obj/tests/metrics/serve.c.d $(wildcard $(B)/obj/tests/bench/*.d)
-include $(SIM_SRC:%.c=$(B)/obj/%.c.d) $(SIM_COMMON:.o=.d)
-include $(TEST_SRC:%.c=$(B)/obj/%.c.d) $(TEST_COMMON:.o=.d) $(FUZZ_SRC:%.c=build/fuzz/obj/%.c.d) \
	$(FUZZ_OBJ:.o=.d)
