// SPDX-License-Identifier: GPL-2.0-only
/* Watchdogs of services, as systemd has them; watchdog.h has the idea. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/workload/watchdog.h"

#define NOTIFY_SOCKET	"/run/systemd/notify"
#define USEC_PER_SEC	1000000ull
#define MAX_DIGITS	15

/* ---- as text ---- */

static uint64_t unit_of(const char *text, size_t size)
{
	static const struct {
		const char *name;
		uint64_t usec;
	} units[] = {
		{ "us", 1 }, { "ms", 1000 }, { "s", USEC_PER_SEC }, { "min", 60 * USEC_PER_SEC },
		{ "h", 3600 * USEC_PER_SEC }, { "d", 86400 * USEC_PER_SEC },
		{ "w", 604800 * USEC_PER_SEC }, { "month", 2629800 * USEC_PER_SEC },
		{ "y", 31557600 * USEC_PER_SEC },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strlen(units[i].name) == size && memcmp(units[i].name, text, size) == 0)
			return units[i].usec;
	return 0;
}

/* One of "4.500s"; returns what's behind it, or NULL. */
static const char *take_part(const char *at, uint64_t *ret_usec)
{
	uint64_t whole = 0, part = 0, scale = 1, unit, total;
	const char *digits = at, *name;

	for (; isdigit((unsigned char)*at) && at - digits < MAX_DIGITS; at++)
		whole = whole * 10 + (uint64_t)(*at - '0');
	if (at == digits)
		return NULL;
	if (*at == '.')
		for (at++; isdigit((unsigned char)*at) && scale < USEC_PER_SEC; at++, scale *= 10)
			part = part * 10 + (uint64_t)(*at - '0');
	name = at;
	while (isalpha((unsigned char)*at))
		at++;
	unit = unit_of(name, (size_t)(at - name));
	if (!unit || __builtin_mul_overflow(whole, unit, &total) ||
	    __builtin_add_overflow(total, unit * part / scale, ret_usec))
		return NULL;
	return at;
}

int kho_watchdog_parse(const char *text, uint64_t *ret_usec, struct kho_err *err)
{
	uint64_t total = 0, part;
	const char *at = text;

	if (strcmp(text, "0") == 0 || strcmp(text, "infinity") == 0) {
		*ret_usec = 0;
		return 0;
	}
	do {
		at = take_part(at, &part);
		if (!at || (*at && *at != ' '))
			return kho_fail(err, -EINVAL, "\"%.40s\" is no time", text);
		if (__builtin_add_overflow(total, part, &total))
			return kho_fail(err, -ERANGE, "\"%.40s\" is too long a time", text);
	} while (*at++);
	*ret_usec = total;
	return 0;
}

/* ---- to systemd ---- */

/* In its main process's name, which root may: systemd hears no other. */
static int send_as(pid_t pid, const char *text)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control = {};
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = NOTIFY_SOCKET };
	const struct ucred who = { .pid = pid, .uid = getuid(), .gid = getgid() };
	struct iovec words = { .iov_base = (void *)text, .iov_len = strlen(text) };
	const struct msghdr message = {
		.msg_name = &address, .msg_namelen = sizeof(address),
		.msg_iov = &words, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	control.head = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS,
		.cmsg_len = CMSG_LEN(sizeof(who)),
	};
	memcpy(CMSG_DATA(&control.head), &who, sizeof(who));
	return fd < 0 || sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int kho_watchdog_set(pid_t main_pid, uint64_t usec, struct kho_err *err)
{
	char text[64];
	int r;

	snprintf(text, sizeof(text), "WATCHDOG_USEC=%llu\nWATCHDOG=1", (unsigned long long)usec);
	r = send_as(main_pid, text);
	return r < 0 ? kho_fail_errno(err, r, "systemd can't be told of the watchdog of process %d; "
				      "set WatchdogSec=0 for its unit", main_pid) : 0;
}
