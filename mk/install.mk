# SPDX-License-Identifier: GPL-2.0-only
#
# make install [DESTDIR=]: the programs, the module of each kernel it was built
# for, the systemd units, and the folder of target images.

SBINDIR ?= /usr/sbin
BINDIR  ?= /usr/bin
UNITDIR ?= /usr/lib/systemd/system
MODDIR  ?= /usr/lib/modules
CATALOGDIR ?= /usr/lib/systemd/catalog
SHAREDIR ?= /usr/share/kho-agent
LIBEXECDIR ?= /usr/libexec/kho-agent
STATEDIR ?= /var/lib/kho-agent
MANDIR  ?= /usr/share/man
COMPDIR ?= /usr/share/bash-completion/completions
SYSCONFDIR ?= /etc
UNITS   := $(wildcard kho-agent/units/*.service kho-agent/units/*.socket kho-agent/units/*.target)

.PHONY: install install-built
install: all ## install programs, modules and units; DESTDIR= for a staged tree
	$(Q)$(MAKE) --no-print-directory install-built

# What is built by now, with no compiler and no library: so it runs where the
# build itself had to be done in the build root.
install-built:
	$(Q)$(INSTALL) -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(UNITDIR)
	$(Q)$(INSTALL) -d -m 700 $(DESTDIR)$(STATEDIR)/images
	$(Q)$(if $(wildcard $(B)/bin/kho-agent),$(INSTALL) $(B)/bin/kho-agent $(DESTDIR)$(SBINDIR)/)
	$(Q)$(if $(wildcard $(B)/bin/khoctl),$(INSTALL) $(B)/bin/khoctl $(DESTDIR)$(BINDIR)/)
	$(Q)$(if $(wildcard $(B)/bin/kho-restore),$(INSTALL) -D $(B)/bin/kho-restore \
		$(DESTDIR)$(LIBEXECDIR)/kho-restore)
	$(Q)$(if $(wildcard $(B)/bin/kho-fleet),$(INSTALL) -D $(B)/bin/kho-fleet \
		$(DESTDIR)$(LIBEXECDIR)/kho-fleet)
	$(Q)$(INSTALL) -D kho-agent/image/init.sh $(DESTDIR)$(SHAREDIR)/init
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(SHAREDIR) kho-agent/share/alerts.yml \
		kho-agent/share/dashboard.json
	$(Q)$(INSTALL) -D -t $(DESTDIR)$(SHAREDIR)/kubernetes kho-agent/share/kubernetes/cordon
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(SHAREDIR)/kubernetes kho-agent/share/kubernetes/plan.yml
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(SHAREDIR)/ansible kho-agent/share/ansible/upgrade.yml
	$(Q)$(if $(UNITS),$(INSTALL) -m 644 $(UNITS) $(DESTDIR)$(UNITDIR)/)
	$(Q)for folder in postinst.d header_postinst.d; do \
		$(INSTALL) -D kho-agent/hooks/kernel-installed \
			$(DESTDIR)$(SYSCONFDIR)/kernel/$$folder/zz-kho-agent || exit; \
	done
	$(Q)$(INSTALL) -D kho-agent/hooks/kernel-removed $(DESTDIR)$(SYSCONFDIR)/kernel/postrm.d/zz-kho-agent
	$(Q)$(INSTALL) -D -m 644 kho-agent/hooks/needrestart.conf \
		$(DESTDIR)$(SYSCONFDIR)/needrestart/conf.d/kho-agent.conf
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(CATALOGDIR) kho-agent/units/kho-agent.catalog
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(MANDIR)/man8 docs/man/*.8
	$(Q)$(INSTALL) -D -m 644 -t $(DESTDIR)$(MANDIR)/man5 docs/man/*.5
	$(Q)$(INSTALL) -D -m 644 kho-agent/completion/khoctl.bash $(DESTDIR)$(COMPDIR)/khoctl
	$(Q)for ko in $(wildcard build/kernel/*/multikernel.ko); do \
		dir=$(DESTDIR)$(MODDIR)/$$(basename $$(dirname $$ko))/updates; \
		$(INSTALL) -D -m 644 $$ko $$dir/multikernel.ko || exit; \
	done
