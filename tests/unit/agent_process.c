// SPDX-License-Identifier: GPL-2.0-only
/* A real agent in a process; agent_process.h has the idea. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "api/api.h"
#include "unit/agent_process.h"

#define NOTIFY		"/run/notify"
#define DEADLINE_MS	60000

/* ---- the module ---- */

static int fake_open(void *ctx, const char *path)
{
	(void)ctx;
	(void)path;
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void fake_close(void *ctx, int fd)
{
	(void)ctx;
	close(fd);
}

static int fake_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	struct mk_info *info = arg;

	(void)ctx;
	(void)fd;
	if (request != MK_IOC_INFO)
		return -ENOENT;
	info->memory_block_size = 128u << 20;
	info->phys_bits = 46;
	info->tsc_khz = 1000000;
	return 0;
}

static int fake_map(void *ctx, int fd, uint64_t offset, size_t size, void **ret)
{
	(void)ctx;
	(void)fd;
	(void)offset;
	(void)size;
	(void)ret;
	return -ENOENT;
}

static void fake_unmap(void *ctx, void *mapping, size_t size)
{
	(void)ctx;
	(void)mapping;
	(void)size;
}

static const struct kho_device_ops no_module = {
	.open = fake_open, .close = fake_close, .ioctl = fake_ioctl, .map = fake_map,
	.unmap = fake_unmap,
};

/* ---- where it lives ---- */

static void give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		give_up(path);
	close(fd);
}

/* Root's, whoever runs the test. */
static void become_root(void)
{
	char map[64];
	unsigned int uid = geteuid(), gid = getegid();

	if (uid == 0)
		return;
	if (unshare(CLONE_NEWUSER) < 0)
		give_up("a user namespace");
	write_to("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_to("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_to("/proc/self/gid_map", map);
}

void agent_process_isolate(void)
{
	become_root();
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		give_up("a mount namespace");
	if (mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0 ||
	    mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=755") < 0)
		give_up("a file system in memory");
	if (mkdir("/run/kho-agent", 0755) < 0)
		give_up("/run/kho-agent");
}

/* ---- its life ---- */

static int listen_for_notes(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = NOTIFY };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	unlink(NOTIFY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void __attribute__((noreturn)) be_agent(unsigned int watchdog_sec)
{
	const struct kho_agent_host host = { .device_ops = &no_module };
	struct kho_err err = {};
	char text[32];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	setenv("NOTIFY_SOCKET", NOTIFY, 1);
	unsetenv("WATCHDOG_USEC");
	snprintf(text, sizeof(text), "%u000000", watchdog_sec);
	if (watchdog_sec)
		setenv("WATCHDOG_USEC", text, 1);
	unsetenv("WATCHDOG_PID");
	if (kho_agent_run(&host, &err) >= 0)
		exit(0);
	fprintf(stderr, "%s\n", err.msg);
	exit(1);
}

void agent_process_start(struct agent_process *agent, unsigned int watchdog_sec)
{
	agent->notify = listen_for_notes();
	fflush(NULL);
	agent->pid = fork();
	ck_assert_int_ge(agent->pid, 0);
	if (agent->pid == 0)
		be_agent(watchdog_sec);
	agent->pidfd = pidfd_open(agent->pid, 0);
	ck_assert_int_ge(agent->pidfd, 0);
	agent_process_wait_told(agent, "READY=1");
}

void agent_process_stop(struct agent_process *agent)
{
	struct pollfd ended = { .fd = agent->pidfd, .events = POLLIN };
	int status;

	ck_assert_int_eq(kill(agent->pid, SIGTERM), 0);
	ck_assert_int_eq(poll(&ended, 1, DEADLINE_MS), 1);
	ck_assert_int_eq(waitpid(agent->pid, &status, 0), agent->pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ended with %#x", status);
	close(agent->pidfd);
	close(agent->notify);
}

static bool has_line(const char *text, const char *line)
{
	size_t length = strlen(line);

	for (; text; text = strchr(text, '\n'), text = text ? text + 1 : NULL)
		if (strncmp(text, line, length) == 0 && (!text[length] || text[length] == '\n'))
			return true;
	return false;
}

void agent_process_wait_told(const struct agent_process *agent, const char *line)
{
	struct pollfd fds[2] = {
		{ .fd = agent->notify, .events = POLLIN }, { .fd = agent->pidfd, .events = POLLIN },
	};
	char text[4096];
	ssize_t size;

	for (;;) {
		ck_assert_msg(poll(fds, 2, DEADLINE_MS) > 0, "it doesn't say %s", line);
		ck_assert_msg(!fds[1].revents, "it has ended");
		size = recv(agent->notify, text, sizeof(text) - 1, 0);
		ck_assert_int_gt(size, 0);
		text[size] = '\0';
		if (has_line(text, line))
			return;
	}
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void agent_process_let(const struct agent_process *agent, int ms)
{
	struct pollfd fds[2] = {
		{ .fd = agent->notify, .events = POLLIN }, { .fd = agent->pidfd, .events = POLLIN },
	};
	int64_t end = now_ms() + ms, left = ms;
	char told[4096];

	for (; left > 0; left = end - now_ms()) {
		ck_assert_int_ge(poll(fds, 2, (int)left), 0);
		ck_assert_msg(!fds[1].revents, "it has ended");
		if (fds[0].revents)
			(void)!recv(agent->notify, told, sizeof(told), 0);
	}
}

/* ---- what's seen of it ---- */

uint64_t agent_process_status(const struct agent_process *agent, const char *name)
{
	char path[64], line[256];
	unsigned long long value = 0;
	size_t length = strlen(name);
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", agent->pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			value = strtoull(line + length + 1, NULL, 10);
	fclose(file);
	return value;
}

unsigned int agent_process_fds(const struct agent_process *agent)
{
	unsigned int nr = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", agent->pid);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

int agent_process_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", KHO_API_SOCKET);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}
