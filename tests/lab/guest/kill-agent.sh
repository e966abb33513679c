#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Kills this kernel's agent, and nothing else of it, at instants: so many milliseconds from
# now as each argument says, or lab.kill=MS,MS... of the command line, from the kernel's start.
# What it was at goes to the lab's port, so that it's known also when this kernel has gone.
now_ms() {
	read -r up _ </proc/uptime
	echo "${up%.*}${up#*.}0"
}

# what the agent is at, by what it has written down; nothing: at no upgrade
at() {
	{
		cat /var/lib/kho-agent/upgrade.[01] | sed -n 's/^at \([a-z]*\) \(.*\)/\2 \1/p' | sort -n |
			tail -n 1 | cut -d' ' -f 2
		sed -n 's/^begun \([a-z-]*\).*/\1/p' /run/kho-agent/move-record | tail -n 1
		[ ! -e /run/kho-agent/left ] || echo left
		[ ! -e /run/kho-agent/retiring ] || echo retiring
	} 2>/dev/null | tr '\n' ' '
}

# kill_at NUMBER MS: when the kernel has run for so long
kill_at() {
	left=$(($2 - $(now_ms)))
	[ "$left" -le 0 ] || sleep "$((left / 1000)).$(printf %03d $((left % 1000)))"
	# 0: it isn't there just now
	pid=$(systemctl show -P MainPID kho-agent)
	if [ "$pid" != 0 ] && kill -9 "$pid"; then
		at=$(at)
	else
		at=missed
	fi
	# often enough that one line is whole
	for _ in 1 2 3 4 5; do
		printf '\nlab-killed %d: %s;\n' "$1" "${at:-nothing}" >"$port"
		sleep 0.3
	done
}

port=/dev/ttyS0
instants=''
began=$(now_ms)
for ms; do
	instants="$instants $((began + ms))"
done
# shellcheck disable=SC2013
for word in $(cat /proc/cmdline); do
	case $word in
	lab.port=*) port=/dev/${word#lab.port=} ;;
	lab.kill=*) [ "$1" ] || instants=$(echo "${word#lab.kill=}" | tr , ' ') ;;
	esac
done
number=0
for ms in $instants; do
	number=$((number + 1))
	kill_at "$number" "$ms"
done
