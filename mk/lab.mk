# SPDX-License-Identifier: GPL-2.0-only
#
# The lab's machines (tests/lab/). The guest's system is made once and cached;
# an image of it with the programs of this build is made when they change.

LAB_GUEST := $(wildcard tests/lab/guest/*)

.PHONY: lab lab-image lab-kho soak demo bench-spawn bench-blackout bench-probes bench-methods
# one of them installs the packages
lab: $(if $(filter guide,$(or $(TESTS),guide)),deb)
lab: lab-image ## tests in emulated machines, LONG=1: the long ones too; TESTS="spawn chain" picks some
	$(Q)TESTS="$(TESTS)" mk/check.sh lab $(if $(LONG),lab-long)

soak: lab-image ## long tests in emulated machines (tests/lab/soak_*.py); TESTS="faults" picks some
	$(Q)tests/lab/run --prefix=soak_ $(TESTS)

# with a kernel that has KHO as a third one, or ROLE=old, ROLE=new in the place of one of the others, and
# NEXT=, a flavour, as one more; they're built first, which takes long once
KHO_LAB := $(subst $() ,-,$(strip lab $(or $(FLAVOUR),kho) $(ROLE) $(NEXT)))
KHO_BUILD := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL mk/kho-kernel.sh
define with_kho
	$(Q)kernels=$(or $(ROLE),kho)=$$($(KHO_BUILD) $(or $(FLAVOUR),kho)) && \
		$(if $(NEXT),kernels="$$kernels next=$$($(KHO_BUILD) $(NEXT))" &&) \
		$(MAKE) --no-print-directory KHO_KERNELS="$$kernels" build/$(KHO_LAB)/disk.img && \
		LAB_IMAGES=$(KHO_LAB) tests/lab/run
endef

lab-kho: ## tests/lab/kho_*.py, with a kernel of make kernel; FLAVOUR=, NEXT=; ROLE=new: all other tests
	$(with_kho) --jobs=$${LAB_JOBS:-1} --prefix=$(if $(ROLE),test_,kho_) $(TESTS)

bench-methods: ## how long clients wait: our two methods, CRIU and kexec, plain kexec, reboot
	$(with_kho) --prefix=bench_ methods

lab-image: build/lab/disk.img ## make the image that lab machines boot from

demo: lab-image ## upgrade a machine that serves clients, under load, from 6.12 to 7.x
	$(Q)tests/lab/run --prefix= demo

bench-spawn: lab-image ## spawn time and channel throughput, as ratios
	$(Q)tests/lab/run --prefix=bench_ spawn

bench-probes: lab-image ## what the probes of a move cost, as ratios
	$(Q)tests/lab/run --prefix=bench_ probes

bench-blackout: lab-image ## how long workloads stand still, against their memory
	$(Q)tests/lab/run --prefix=bench_ blackout

# hang KDIR RELEASE: a module that hangs its kernel
define hang
HANGS += build/lab/hang/$(2)/lab_hang.ko
build/lab/hang/$(2)/lab_hang.ko: $(wildcard tests/lab/guest/hang/*) $(1)/Module.symvers
	$$(call msg,KBUILD,$$@)
	$$(Q)mkdir -p $$(@D) && cp -p tests/lab/guest/hang/* $$(@D)/
	$$(Q)$$(MAKE) -C $(1) M=$$(CURDIR)/$$(@D) $$(if $$(V),V=1,-s) modules
endef
$(foreach k,$(KDIRS),$(eval $(call hang,$(k),$(call krelease,$(k)))))

build/lab/disk.img build/$(KHO_LAB)/disk.img: $(HANGS) $(PROGRAMS) $(TEST_AGENT) $(MODULES) $(UNITS) \
		$(LAB_GUEST) build/lab/lab-shell \
		build/lab/abmem build/lab/zoo build/lab/lab-pages build/lab/lab-net build/lab/lab-bpf \
		mk/install.mk $(wildcard kho-agent/image/*.sh)
	$(call msg,IMAGE,$@)
	@mkdir -p $(@D)
	$(Q)tests/lab/guest/make-image.sh $(@D) $(KHO_KERNELS)

build/lab/lab-shell: tests/lab/guest/lab-shell.c
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) -O2 $(WARN) -static -o $@ $<

build/lab/abmem: tests/lab/guest/abmem.c
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) -O2 $(WARN) -static -pthread -o $@ $<

build/lab/zoo: $(wildcard tests/lab/guest/zoo*.c) tests/lab/guest/zoo.h
	$(call msg,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) -O2 $(WARN) -pthread -static -o $@ $(filter %.c,$^)

build/lab/lab-bpf: OWN_LIBS := $(BPF_LIBS)

build/lab/lab-%: tests/lab/guest/%.c $(B)/libkho.a
	$(call msg,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(B)/libkho.a $(PKG_LIBS) $(OWN_LIBS)
