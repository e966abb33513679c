# SPDX-License-Identifier: GPL-2.0-only
#
# Compilers, flags, and how a line of output looks. SAN=1 builds with ASan and
# UBSan into a folder of its own; V=1 shows whole command lines.

B := build$(if $(SAN),/san)

CC       = gcc
CLANG    = clang
PROTOC_C = protoc-c
INSTALL  = install

CSTD  := -std=gnu11 -D_GNU_SOURCE
WARN  := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
         -Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings -Werror
# src/-relative includes: "base/err.h", "uapi/multikernel.h", "channel.pb-c.h"
INCS  := -I. -Ikho-agent -Ikernel/include -I$(B)/proto -isystem $(B)/bpf
HARD  := -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
SANITIZE := $(if $(SAN),-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all \
                        -fno-omit-frame-pointer)

PKGS      := libsystemd libprotobuf-c libcrypto zlib libzstd devmapper libmnl libnetfilter_queue
PKG_FLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS  := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lfdt

# for fleets, and for nothing else: the agent and what runs in a target image do without
CURL_LIBS    := $(shell pkg-config --libs libcurl 2>/dev/null)
NCURSES_LIBS := $(shell pkg-config --libs ncursesw 2>/dev/null)

CFLAGS   ?= -O2 -g
ALL_CFLAGS  = $(CSTD) $(CFLAGS) $(WARN) $(HARD) $(SANITIZE) $(INCS) $(PKG_FLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(SANITIZE) $(LDFLAGS)
DEPFLAGS    = -MMD -MP

Q   := $(if $(V),,@)
msg  = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')
