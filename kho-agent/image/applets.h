/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tools of busybox that get a link of their own in an image, unless a real program
 * of that name is in it. A fixed list, because the busybox of another tree can't be
 * asked. A tool that this busybox hasn't is no harm: calling it says so.
 */
#ifndef KHO_IMAGE_APPLETS_H
#define KHO_IMAGE_APPLETS_H

static const char *const kho_image_applets[] = {
	"[", "ash", "awk", "basename", "blockdev", "cat", "chgrp", "chmod", "chown", "chroot",
	"clear", "cmp", "cp", "cttyhack", "cut", "date", "dd", "devmem", "df", "dirname",
	"dmesg", "du", "echo", "egrep", "env", "expr", "false", "fgrep", "find", "flock",
	"free", "fstrim", "getopt", "grep", "gunzip", "gzip", "halt", "head", "hexdump",
	"hostname", "id", "ifconfig", "ip", "kill", "killall", "less", "ln", "losetup", "ls",
	"md5sum", "mkdir", "mkfifo", "mknod", "mktemp", "more", "mount", "mountpoint", "mv",
	"nc", "nproc", "nsenter", "od", "pgrep", "pidof", "ping", "poweroff", "printf", "ps",
	"pwd", "readlink", "realpath", "reboot", "renice", "reset", "rm", "rmdir", "route",
	"sed", "seq", "setsid", "sha256sum", "sleep", "sort", "stat", "strings", "stty",
	"switch_root", "sync", "sysctl", "tail", "tar", "taskset", "tee", "test", "time", "timeout", "top",
	"touch", "tr", "true", "truncate", "tty", "umount", "uname", "uniq", "unshare",
	"uptime", "usleep", "vi", "watch", "wc", "wget", "which", "xargs", "xxd", "yes",
	"zcat",
};

#endif
