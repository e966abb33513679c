# SPDX-License-Identifier: GPL-2.0-only
#
# proto/*.proto -> $(B)/proto/*.pb-c.[ch]
# kho-agent/<library folders>/*.[cS] + the above -> $(B)/libkho.a
# migrate/<library folders>/*.c, bpf/*.c (mk/bpf.mk) -> the same library
# kho-agent/{agent,khoctl}/*.c + libkho.a -> $(B)/bin/{kho-agent,khoctl}
# migrate/restore/*.c + libkho.a -> $(B)/bin/kho-restore
# kho-agent/fleetd/*.c + libkho.a -> $(B)/bin/kho-fleet, which alone needs libcurl
#
# A new file in one of the folders is picked up without a line here.

LIB_DIRS := base spawn channel system image api upgrade view metrics http timeline fleet
MIGRATE_DIRS := criu pages net volume workload
PROTOS   := $(wildcard proto/*.proto)
LIB_SRC  := $(foreach d,$(LIB_DIRS),$(wildcard kho-agent/$(d)/*.c kho-agent/$(d)/*.S)) \
            $(foreach d,$(MIGRATE_DIRS),$(wildcard migrate/$(d)/*.c)) \
            $(filter-out $(BPF_SRC),$(wildcard bpf/*.c))
PROTO_C  := $(PROTOS:proto/%.proto=$(B)/proto/%.pb-c.c) $(B)/proto/rpc.pb-c.c
PROTO_H  := $(PROTO_C:.c=.h)
GENERATED_H := $(PROTO_H) $(BPF_SKEL)
PROTO_O  := $(PROTO_C:.c=.o)
LIB_OBJ  := $(LIB_SRC:%=$(B)/obj/%.o)

# program NAME FOLDER: defined only while the folder has sources
AGENT_OBJ  := $(patsubst %,$(B)/obj/%.o,$(wildcard kho-agent/agent/*.c))
KHOCTL_OBJ := $(patsubst %,$(B)/obj/%.o,$(wildcard kho-agent/khoctl/*.c))
RESTORE_OBJ := $(patsubst %,$(B)/obj/%.o,$(wildcard migrate/restore/*.c))
FLEET_OBJ  := $(patsubst %,$(B)/obj/%.o,$(wildcard kho-agent/fleetd/*.c)) \
              $(B)/obj/kho-agent/khoctl/call.c.o
PROGRAMS   := $(if $(AGENT_OBJ),$(B)/bin/kho-agent) $(if $(KHOCTL_OBJ),$(B)/bin/khoctl) \
              $(if $(RESTORE_OBJ),$(B)/bin/kho-restore) $(B)/bin/kho-fleet

$(B)/bin/kho-agent: $(AGENT_OBJ)
$(B)/bin/khoctl: $(KHOCTL_OBJ)
# for khoctl watch, and for the agent's probes, and for nothing else
$(B)/bin/khoctl: OWN_LIBS := $(NCURSES_LIBS)
$(B)/bin/kho-agent: OWN_LIBS := $(BPF_LIBS)
$(B)/bin/kho-restore: $(RESTORE_OBJ)
$(B)/bin/kho-fleet: $(FLEET_OBJ)
$(B)/bin/kho-fleet: OWN_LIBS := $(CURL_LIBS)

$(PROGRAMS): $(B)/libkho.a
	$(call msg,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(B)/libkho.a $(PKG_LIBS) $(OWN_LIBS)

# An agent with failpoints (kho-agent/agent/failpoint.h), for the lab's machines only
TEST_AGENT := $(B)/test/kho-agent
TEST_AGENT_OBJ := $(AGENT_OBJ:$(B)/obj/%=$(B)/test/obj/%)

$(TEST_AGENT): $(TEST_AGENT_OBJ) $(B)/libkho.a
	$(call msg,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(TEST_AGENT_OBJ) $(B)/libkho.a $(PKG_LIBS) $(BPF_LIBS)

$(B)/test/obj/%.c.o: %.c | $(GENERATED_H)
	$(call msg,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DKHO_FAILPOINTS $(DEPFLAGS) -c -o $@ $<

$(B)/libkho.a: $(LIB_OBJ) $(PROTO_O)
	$(call msg,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Generated headers come first: no source's dependencies are known before its
# first compile.
$(B)/obj/%.c.o: %.c | $(GENERATED_H)
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(DEPFLAGS) -c -o $@ $<

$(B)/obj/%.S.o: %.S
	$(call msg,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(INCS) $(DEPFLAGS) -g -c -o $@ $<

# the status page's, as they are
$(B)/obj/kho-agent/view/assets.S.o build/fuzz/obj/kho-agent/view/assets.S.o: \
	kho-agent/view/page.js kho-agent/view/page.css

# CRIU's own interface file, of the package that we build against
$(B)/proto/rpc.pb-c.c $(B)/proto/rpc.pb-c.h &: /usr/include/criu/rpc.proto
	$(call msg,PROTOC,$<)
	@mkdir -p $(@D)
	$(Q)$(PROTOC_C) --proto_path=$(<D) --c_out=$(@D) $<

$(B)/proto/%.pb-c.c $(B)/proto/%.pb-c.h &: proto/%.proto
	$(call msg,PROTOC,$<)
	@mkdir -p $(@D)
	$(Q)$(PROTOC_C) --proto_path=proto --c_out=$(@D) $<

# Not ours to keep free of warnings
$(B)/proto/%.pb-c.o: $(B)/proto/%.pb-c.c
	$(call msg,CC,$<)
	$(Q)$(CC) $(filter-out -W%,$(ALL_CFLAGS)) $(DEPFLAGS) -c -o $@ $<

-include $(LIB_OBJ:.o=.d) $(PROTO_O:.o=.d) $(AGENT_OBJ:.o=.d) $(TEST_AGENT_OBJ:.o=.d) \
	$(KHOCTL_OBJ:.o=.d) $(RESTORE_OBJ:.o=.d) $(FLEET_OBJ:.o=.d)
