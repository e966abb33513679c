# SPDX-License-Identifier: GPL-2.0-only
#
# bpf/*.bpf.c -> $(B)/bpf/*.bpf.o (clang) -> $(B)/bpf/*.skel.h (bpftool), which bpf/*.c of
# the same name includes. bpf/*.c are in libkho.a; only kho-agent needs libbpf.
#
# The programs are for any kernel (CO-RE): what they read is declared in bpf/kernel.bpf.h.

BPFTOOL   = $(or $(shell command -v bpftool),/usr/sbin/bpftool)
BPF_SRC  := $(wildcard bpf/*.bpf.c)
BPF_SKEL := $(BPF_SRC:bpf/%.bpf.c=$(B)/bpf/%.skel.h)
BPF_LIBS := $(shell pkg-config --libs libbpf 2>/dev/null)
# asm/types.h is among this machine's own headers
BPF_FLAGS := -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter \
             -D__TARGET_ARCH_x86 -idirafter /usr/include/$(shell $(CC) -dumpmachine)

$(B)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call msg,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) $(DEPFLAGS) -c -o $@ $<

$(B)/bpf/%.skel.h: $(B)/bpf/%.bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name kho_$*_bpf >$@

# not among its dependencies otherwise: a system header, for it isn't ours to keep free of warnings
$(BPF_SRC:bpf/%.bpf.c=$(B)/obj/bpf/%.c.o): $(B)/obj/bpf/%.c.o: $(B)/bpf/%.skel.h

-include $(BPF_SRC:bpf/%.bpf.c=$(B)/bpf/%.bpf.d)
