#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# PID 1 of a target image: brings the new kernel up to the point where our agent
# can run, then keeps the agent running. Installed as /usr/share/kho-agent/init.
#
#	1. mount what every Linux has
#	2. host name, loopback, the multikernel module, drivers for what will come
#	   With the whole system in the image (/system.squashfs) that's all: it's mounted
#	   under an overlay in memory, and its systemd goes on with kho-new.target.
#	3. run the hooks, /etc/kho-agent/init.d/*.sh, one after the other in the order
#	   of their names; one that wants to stay puts itself into the background
#	4. start kho-agent and, when it ends, start it again: at once the first time,
#	   then with a growing pause, $MAX_RESTARTS times in a row at most. An agent
#	   that ran for $STEADY seconds begins a new row.
#
# It never ends, since a kernel whose PID 1 ends panics. What it says goes to the
# kernel's log, and so does what the agent prints, because that is what the other
# kernel can read. Signals are those of busybox's own init: TERM restarts, USR2
# powers off, USR1 halts, so `reboot`, `poweroff` and `halt` work.
#
# POSIX shell, meant for busybox; waiting by `wait` also reaps orphans. busybox's
# shell prefers its own tools to those on the path: kmod's are called by theirs.

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root
export PATH HOME
umask 022

MAX_RESTARTS=10
STEADY=60
agent=

say() {
	{ echo "<5>kho-init: $*" >/dev/kmsg; } 2>/dev/null
}

# mount_at TYPE DIRECTORY OPTIONS
mount_at() {
	# a process less each time: they are what takes long here
	[ -d "$2" ] || mkdir -p "$2"
	mount -t "$1" -o "$3" "$1" "$2"
}

mount_all() {
	mount_at proc /proc nosuid,nodev,noexec || say "can't mount /proc"
	mount_at sysfs /sys nosuid,nodev,noexec || say "can't mount /sys"
	mount_at devtmpfs /dev nosuid,mode=755 || say "can't mount /dev"
	mount_at devpts /dev/pts nosuid,noexec,gid=5,mode=620,ptmxmode=666 ||
		say "can't mount /dev/pts"
	mount_at tmpfs /dev/shm nosuid,nodev,mode=1777 || say "can't mount /dev/shm"
	mount_at tmpfs /run nosuid,nodev,mode=755 || say "can't mount /run"
	mount_at cgroup2 /sys/fs/cgroup nosuid,nodev,noexec || say "can't mount /sys/fs/cgroup"
	# not every kernel has these, and nothing depends on them
	[ ! -d /sys/kernel/debug ] || mount_at debugfs /sys/kernel/debug nosuid,nodev,noexec
	[ ! -d /sys/kernel/tracing ] || mount_at tracefs /sys/kernel/tracing nosuid,nodev,noexec
	[ ! -d /sys/fs/bpf ] || mount_at bpf /sys/fs/bpf nosuid,nodev,noexec,mode=700
	mkdir -p /run/lock /run/kho-agent
}

# What udev would add to /dev
link_descriptors() {
	ln -sfn /proc/self/fd /dev/fd
	ln -sfn fd/0 /dev/stdin
	ln -sfn fd/1 /dev/stdout
	ln -sfn fd/2 /dev/stderr
}

set_up_system() {
	# or else the log takes ten lines from user space every five seconds
	echo on >/proc/sys/kernel/printk_devkmsg
	hostname -F /etc/hostname
	ip link set lo up
}

load_module() {
	/usr/sbin/modprobe -q multikernel && return
	for file in /usr/lib/kho-agent/multikernel.ko*; do
		insmod "$file" && return
	done
	say "can't load multikernel.ko: the agent will not reach the other kernel"
}

# What udev would do: a driver for each device that comes, and granted functions
# come at any time.
load_drivers() {
	loader=/run/kho-agent/load-driver
	# shellcheck disable=SC2016  # expanded when it runs
	printf '#!/bin/sh\n%s\n' \
		'[ "$ACTION" = add ] && [ "$MODALIAS" ] && exec /usr/sbin/modprobe -q "$MODALIAS"' >$loader
	chmod 755 $loader
	busybox uevent $loader &
}

run_hooks() {
	for hook in /etc/kho-agent/init.d/*.sh; do
		[ -f "$hook" ] || continue
		sh "$hook" || say "hook $hook failed with status $?"
	done
}

# A number that the command line gives by NAME=
from_cmdline() {
	read -r words </proc/cmdline
	for word in $words; do
		case $word in
		"$1"=*) echo "${word#*=}" ;;
		esac
	done
}

# Processes that come here from another kernel keep their PIDs: ours are elsewhere
set_pid_base() {
	base=$(from_cmdline kho.pid_base)
	echo 4194304 >/proc/sys/kernel/pid_max
	[ ! "$base" ] || echo "$base" >/proc/sys/kernel/ns_last_pid
}

# Ends only if it fails
start_system() {
	for module in loop squashfs overlay; do
		/usr/sbin/modprobe -q "$module"
	done
	memory=/run/system/memory
	mkdir -p /run/system/lower $memory /run/system/root
	mount -t squashfs -o ro,loop /system.squashfs /run/system/lower || return
	mount -t tmpfs -o mode=755 tmpfs $memory || return
	mkdir $memory/upper $memory/work
	mount -t overlay -o "lowerdir=/run/system/lower,upperdir=$memory/upper,workdir=$memory/work" \
		overlay /run/system/root || return
	# no file system of the other kernel is here
	: >/run/system/root/etc/fstab
	cp -a /etc/kho-agent/image/. /run/system/root/ 2>/dev/null
	for dir in proc sys dev run; do
		mount -o move "/$dir" "/run/system/root/$dir" 2>/dev/null ||
			mount --move "/$dir" "/run/system/root/$dir"
	done
	exec switch_root /run/system/root /lib/systemd/systemd --unit=kho-new.target
}

# PID 1 gets no signal that it doesn't ask for
shut_down() {
	action=$1
	trap '' TERM INT USR1 USR2
	say "$action"
	if [ "$agent" ]; then
		kill -TERM "$agent"
		tenths=0
		while kill -0 "$agent" 2>/dev/null && [ "$tenths" -lt 100 ]; do
			usleep 100000
			tenths=$((tenths + 1))
		done
	fi
	kill -TERM -1 2>/dev/null
	usleep 500000
	kill -KILL -1 2>/dev/null
	sync
	umount -a -r
	busybox "$action" -f
	say "$action did not happen"
	idle
}

idle() {
	while :; do
		sleep 86400 &
		wait $!
	done
}

uptime_seconds() {
	read -r up rest </proc/uptime || up=0.
	echo "${up%%.*}"
}

# One life of the agent; how long it was is left in $lived
run_agent() {
	born=$(uptime_seconds)
	kho-agent </dev/null &
	agent=$!
	wait "$agent"
	status=$?
	agent=
	lived=$(($(uptime_seconds) - born))
}

supervise() {
	restarts=0
	while :; do
		run_agent
		[ "$lived" -lt "$STEADY" ] || restarts=0
		say "kho-agent ended with status $status after $lived s"
		[ "$restarts" -lt "$MAX_RESTARTS" ] || break
		[ "$restarts" -eq 0 ] || sleep "$restarts"
		restarts=$((restarts + 1))
	done
	say "kho-agent ended $((MAX_RESTARTS + 1)) times in a row: not started again"
}

trap 'shut_down reboot' TERM INT
trap 'shut_down poweroff' USR2
trap 'shut_down halt' USR1

mount_all 2>/dev/null
log=/dev/null
[ -c /dev/kmsg ] && log=/dev/kmsg	# an exec that can't open it would end the shell
exec </dev/null >$log 2>&1
say "$(uname -r) is up after $(uptime_seconds) s"
set_pid_base
link_descriptors &
set_up_system
load_module
if [ -f /system.squashfs ]; then
	start_system
	say "can't start the system of the image"
fi
load_drivers
run_hooks
supervise
idle
