// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel can do for CRIU; abilities.h has the idea. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/criu/abilities.h"
#include "system/proc.h"

#define PAGE		4096u
#define SOFT_DIRTY	(1ULL << 55)
#define VERSION_MS	10000
#define NO_PID		INT32_MAX	/* above any pid_max */

const char *kho_ability_name(enum kho_ability ability)
{
	static const char *const names[_KHO_ABILITY_MAX] = {
		[KHO_ABILITY_DIRTY_TRACKING] = "dirty-tracking",
		[KHO_ABILITY_LAZY_PAGES] = "lazy-pages",
		[KHO_ABILITY_TCP_REPAIR] = "tcp-repair",
		[KHO_ABILITY_SET_TID] = "set-tid",
		[KHO_ABILITY_PIDFD_GETFD] = "pidfd-getfd",
		[KHO_ABILITY_TIME_NAMESPACE] = "time-namespace",
		[KHO_ABILITY_PASSSEC] = "unix-passsec",
	};

	return names[ability];
}

/* ---- one probe each ---- */

static bool is_soft_dirty(int pagemap, const void *page)
{
	uint64_t entry = 0;

	return pread(pagemap, &entry, sizeof(entry),
		     (off_t)((uintptr_t)page / PAGE * sizeof(entry))) == sizeof(entry) &&
	       entry & SOFT_DIRTY;
}

/* Where it isn't built in, the bit never changes. */
static bool watch_page(volatile char *page)
{
	_cleanup_close_ int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int clear = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	bool before;

	page[0] = 1;
	if (pagemap < 0 || clear < 0 || write(clear, "4", 1) != 1)
		return false;
	before = is_soft_dirty(pagemap, (void *)page);
	page[0] = 2;
	return !before && is_soft_dirty(pagemap, (void *)page);
}

static bool tracks_dirty_pages(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool tracks;

	if (page == MAP_FAILED)
		return false;
	tracks = watch_page(page);
	munmap(page, PAGE);
	return tracks;
}

static bool has_lazy_pages(void)
{
	_cleanup_close_ int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
			    UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP,
	};

	return fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0;
}

static bool has_tcp_repair(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;

	return fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) == 0;
}

/* A PID that can't be: a kernel that knows set_tid says so, others pass it over. */
static bool has_set_tid(void)
{
	pid_t pid = NO_PID;
	struct clone_args args = { .set_tid = (uintptr_t)&pid, .set_tid_size = 1 };
	long child = syscall(SYS_clone3, &args, sizeof(args));

	if (child == 0)
		_exit(0);
	return child < 0 && errno == EINVAL;
}

static bool has_pidfd_getfd(void)
{
	return syscall(SYS_pidfd_getfd, -1, 0, 0) < 0 && errno == EBADF;
}

static bool has_time_namespace(void)
{
	return access("/proc/self/ns/time_for_children", F_OK) == 0;
}

/* Without CONFIG_SECURITY_NETWORK the kernel refuses the question. */
static bool has_passsec(void)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(int);
	int on;

	return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PASSSEC, &on, &size) == 0;
}

uint32_t kho_abilities_probe(void)
{
	static bool (*const probes[_KHO_ABILITY_MAX])(void) = {
		[KHO_ABILITY_DIRTY_TRACKING] = tracks_dirty_pages,
		[KHO_ABILITY_LAZY_PAGES] = has_lazy_pages,
		[KHO_ABILITY_TCP_REPAIR] = has_tcp_repair,
		[KHO_ABILITY_SET_TID] = has_set_tid,
		[KHO_ABILITY_PIDFD_GETFD] = has_pidfd_getfd,
		[KHO_ABILITY_TIME_NAMESPACE] = has_time_namespace,
		[KHO_ABILITY_PASSSEC] = has_passsec,
	};
	uint32_t found = 0;

	for (unsigned int i = 0; i < _KHO_ABILITY_MAX; i++)
		if (probes[i]())
			found |= 1u << i;
	return found;
}

/* ---- CRIU itself ---- */

int kho_criu_version_parse(const char *text, char *ret, size_t size, struct kho_err *err)
{
	const char *found = strstr(text, "Version: ");
	size_t len = 0;

	if (found) {
		found += strlen("Version: ");
		len = strspn(found, "0123456789.");
	}
	if (!len || !isdigit((unsigned char)found[0]) || len >= size)
		return kho_fail(err, -EBADMSG, "criu --version says no version; is the criu in "
				"/usr/sbin the right one?");
	memcpy(ret, found, len);
	ret[len] = '\0';
	return 0;
}

int kho_criu_version(char *ret, size_t size, struct kho_err *err)
{
	const char *const argv[] = { "criu", "--version", NULL };
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = VERSION_MS };
	struct kho_proc_result result;
	int r = kho_proc_run(&spec, &result, err);

	if (r < 0)
		return kho_wrap(err, r, "criu can't be asked for its version; install it");
	r = kho_criu_version_parse(result.out, ret, size, err);
	kho_proc_result_done(&result);
	return r;
}
