#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Kills this kernel's agent, and nothing else of it, at an instant: $1 milliseconds from
# now, or lab.kill= of the command line milliseconds after the kernel's start. What it was
# at goes to the lab's port, so that it's known also when this kernel has gone.
now_ms() {
	read -r up _ </proc/uptime
	echo "${up%.*}${up#*.}0"
}

port=/dev/ttyS0
# shellcheck disable=SC2013
for word in $(cat /proc/cmdline); do
	case $word in
	lab.port=*) port=/dev/${word#lab.port=} ;;
	lab.kill=*) [ "$1" ] || left=$((${word#lab.kill=} - $(now_ms))) ;;
	esac
done
[ ! "$1" ] || left=$1
[ "$left" -le 0 ] || sleep "$((left / 1000)).$(printf %03d $((left % 1000)))"
# 0: it isn't there just now
pid=$(systemctl show -P MainPID kho-agent)
if [ "$pid" != 0 ] && kill -9 "$pid"; then
	at=$({
		cat /var/lib/kho-agent/upgrade.[01] | sed -n 's/^at \([a-z]*\) \(.*\)/\2 \1/p' | sort -n |
			tail -n 1 | cut -d' ' -f 2
		sed -n 's/^begun \([a-z-]*\).*/\1/p' /run/kho-agent/move-record | tail -n 1
		[ ! -e /run/kho-agent/left ] || echo left
		[ ! -e /run/kho-agent/retiring ] || echo retiring
	} 2>/dev/null | tr '\n' ' ')
else
	at=missed
fi
# often enough that one line is whole
for _ in 1 2 3 4 5; do
	printf '\nlab-killed: %s;\n' "${at:-nothing}" >"$port"
	sleep 0.3
done
