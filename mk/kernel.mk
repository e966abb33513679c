# SPDX-License-Identifier: GPL-2.0-only
#
# kernel/ -> build/kernel/<release>/multikernel.ko for each kernel in KDIRS
# (default: every cloud kernel whose headers are installed, or else the running
# kernel's). The sources are copied into the build folder, since kbuild writes
# beside them. SAN does not concern modules, so they are always in build/.

KDIRS ?= $(or $(wildcard /usr/src/linux-headers-*-cloud-amd64), \
              $(wildcard /lib/modules/$(shell uname -r)/build))
KERNEL_SRC := $(shell find kernel -type f \( -name '*.[chS]' -o -name Kbuild \) 2>/dev/null)

# krelease KDIR: the release that the kernel calls itself
krelease = $(shell cat $(1)/include/config/kernel.release 2>/dev/null)
MODULES :=

# module KDIR RELEASE
define module
MODULES += build/kernel/$(2)/multikernel.ko
build/kernel/$(2)/multikernel.ko: $(KERNEL_SRC) $(1)/Module.symvers
	$$(call msg,KBUILD,$$@)
	$$(Q)mkdir -p $$(@D) && cp -pr --update kernel/. $$(@D)/
	$$(Q)find $$(@D) -name '*.[ch]' ! -name '*.mod.c' | sed 's,$$(@D)/,,' | \
		while read -r f; do test -e kernel/$$$$f || rm $$(@D)/$$$$f; done
	$$(Q)flock $$(@D)/.lock $$(MAKE) -C $(1) M=$$(CURDIR)/$$(@D) $$(if $$(V),V=1,-s) modules
	$$(Q)touch $$@
endef

# those that mk/kho-kernel.sh has built, for make lab-kho: ROLE=FOLDER each
KDIRS += $(foreach kernel,$(KHO_KERNELS),$(lastword $(subst =, ,$(kernel)))/headers)

# mk/enter hands FLAVOUR on; jobs and flags of this make aren't the kernel's
ifneq ($(IN_ROOT),)
.PHONY: kernel
kernel: ## build a kernel with KHO; FLAVOUR=kho (default), kho-btf or debian
	$(Q)env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL mk/kho-kernel.sh $(or $(FLAVOUR),kho)
endif

ifneq ($(wildcard kernel/Kbuild),)
$(foreach k,$(KDIRS),$(eval $(call module,$(k),$(call krelease,$(k)))))
endif
