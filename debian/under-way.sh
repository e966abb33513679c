# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Whether an upgrade is under way; put into maintainer scripts in place of their token. Phase alone
# doesn't say so: it's idle while an upgrade is checked, and for all of one by kexec.
under_way() {
	if status=$(khoctl --json status 2>/dev/null); then
		! printf '%s\n' "$status" | grep -q '"phase" *: *"idle"' ||
			printf '%s\n' "$status" | grep -q '"upgrade" *:'
		return
	fi
	# nobody answers: what the next agent would go on from, the journal if it's of this boot
	test -e /run/kho-agent/reserved || test -e /run/kho-agent/move-record ||
		grep -qsF "boot $(cat /proc/sys/kernel/random/boot_id)" /var/lib/kho-agent/upgrade.[01]
}
