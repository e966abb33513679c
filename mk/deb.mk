# SPDX-License-Identifier: GPL-2.0-only
#
# make deb: Debian packages in build/deb. The sources are copied first, since
# dpkg-buildpackage writes beside them; build/ itself stays out of it.

DEB_VERSION := $(shell sed -n 's/.*KHO_VERSION "\(.*\)"/\1/p' kho-agent/base/version.h)
DEB_SOURCES := $(shell find bpf debian docs kernel kho-agent migrate mk proto Makefile -type f)

.PHONY: deb package
deb: build/deb/stamp ## Debian packages: build/deb/*.deb

build/deb/stamp: $(DEB_SOURCES)
	$(call msg,DEB,kho-agent $(DEB_VERSION))
	$(Q)rm -rf build/deb && mkdir -p build/deb/kho-agent build/logs
	$(Q)tar -c --exclude=./build --exclude=./.git . | tar -x -C build/deb/kho-agent
	$(Q)cd build/deb/kho-agent && dpkg-buildpackage -b -us -uc >../build.log 2>&1 || \
		{ tail -n 30 ../build.log; exit 1; }
	$(Q)rm -rf build/deb/kho-agent && touch $@

package: deb ## install, look at, upgrade and purge the Debian packages in a copy of the build root
	$(Q)mk/check.sh package
