// SPDX-License-Identifier: GPL-2.0-only
/*
 * A real agent with nothing to do: how much memory it has, that it sleeps; what it does with
 * thousands of damaged calls; and that its access rules are read anew.
 */
#include <check.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "api/api.h"
#include "unit/agent_process.h"
#include "unit/run.h"

#define RSS_MAX_KIB	(20u << 10)
#define IDLE_MS		5000
#define WATCHDOG_SEC	90
#define CONNECTIONS	4000
#define ANSWER_MS	30000
#define MESSAGE_MAX	20000
#define LEAK_MAX_KIB	4096u

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED	1
#else
#define SANITIZED	0
#endif

static struct agent_process agent;

static void start(void)
{
	agent_process_start(&agent, WATCHDOG_SEC);
}

static void stop(void)
{
	agent_process_stop(&agent);
}

/* ---- idle ---- */

static uint64_t switches(void)
{
	return agent_process_status(&agent, "voluntary_ctxt_switches");
}

/* Its watchdog is told at most every 45 s; but for that nothing wakes it. */
START_TEST(sleeps)
{
	uint64_t before, woken, told;

	/* what it has put off until it's idle */
	agent_process_let(&agent, 1000);
	before = switches();
	agent_process_let(&agent, IDLE_MS);
	woken = switches() - before;
	told = 1;
	ck_assert_msg(woken <= told, "woken %llu times in %d ms", (unsigned long long)woken, IDLE_MS);
}
END_TEST

/* Sanitizers have memory of their own. */
START_TEST(is_small)
{
	uint64_t rss = agent_process_status(&agent, "VmRSS");

	ck_assert_uint_gt(rss, 0);
	ck_assert_msg(SANITIZED || rss < RSS_MAX_KIB, "%llu KiB", (unsigned long long)rss);
	printf("VmRSS %llu KiB, of which anonymous %llu KiB\n", (unsigned long long)rss,
	       (unsigned long long)agent_process_status(&agent, "RssAnon"));
}
END_TEST

/* ---- damaged calls ---- */

#define CALL(method, parameters) \
	"{\"method\":\"" KHO_API_INTERFACE "." method "\",\"parameters\":" parameters "}"

/* Of each kind, and none that this machine would carry out. */
static const char *const calls[] = {
	CALL("Status", "{}"),
	"{\"method\":\"" KHO_API_INTERFACE ".Status\",\"more\":true,\"parameters\":{\"untilOver\":true}}",
	CALL("Start", "{\"image\":\"/no/such\",\"cpus\":\"2-3\",\"memoryBytes\":1073741824,"
	     "\"commandLine\":\"a=b\",\"soakSec\":30,\"hold\":true,\"now\":true}"),
	CALL("Plan", "{\"image\":\"/no/such\",\"blocks\":\"1-4\",\"timeoutSec\":120}"),
	CALL("Spawn", "{\"image\":\"/no/such\",\"cpus\":\"2-3\"}"),
	CALL("Show", "{\"id\":\"0b6e0a3e\"}"),
	CALL("History", "{}"),
	CALL("Commit", "{}"),
	CALL("Abort", "{}"),
	CALL("Move", "{\"noRehearsal\":true}"),
	CALL("Rehearse", "{\"workload\":\"redis\"}"),
	CALL("Rollback", "{}"),
	CALL("Failover", "{}"),
	CALL("Retire", "{}"),
	CALL("Reclaim", "{}"),
	CALL("Grant", "{\"address\":\"0000:00:05.0\"}"),
	CALL("Revoke", "{\"address\":\"0000:00:05.0\"}"),
	CALL("Console", "{\"follow\":false}"),
	CALL("Input", "{\"text\":\"help\\n\"}"),
	CALL("Dmesg", "{}"),
	CALL("Report", "{}"),
	CALL("Bench", "{}"),
	"{\"method\":\"org.varlink.service.GetInfo\"}",
	"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
		"{\"interface\":\"" KHO_API_INTERFACE "\"}}",
	"{\"method\":\"no.such.interface.Method\",\"parameters\":{},\"oneway\":true}",
};

static const char *const pieces[] = {
	"{", "}", "[", "]", ":", ",", "\"", "\\", "\\u0000", "\\ud800", "null", "true", "-1", "0",
	"18446744073709551616", "1e999", "-9223372036854775809", "\x80", "\xff\xfe", "\xed\xa0\x80",
	"\"more\":true,", "\"oneway\":true,", "\"parameters\":", "\"image\":", "../../..", "\n", "\t",
	"\x7f", "\x01", "%s%n", "\"upgrade\":true,",
};

static uint64_t lot = 1;

/* As good as any, and the same each time. */
static uint32_t draw(uint32_t below)
{
	lot = lot * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((lot >> 33) % below);
}

struct message {
	char bytes[MESSAGE_MAX];
	size_t size;
};

static void insert(struct message *m, size_t at, const char *text, size_t size)
{
	if (m->size + size > sizeof(m->bytes))
		return;
	memmove(m->bytes + at + size, m->bytes + at, m->size - at);
	memcpy(m->bytes + at, text, size);
	m->size += size;
}

static void cut_out(struct message *m)
{
	size_t at = draw((uint32_t)m->size), size = 1 + draw(20);

	if (at + size > m->size)
		size = m->size - at;
	memmove(m->bytes + at, m->bytes + at + size, m->size - at - size);
	m->size -= size;
}

static void nest(struct message *m)
{
	static char deep[8192];

	memset(deep, draw(2) ? '[' : '{', sizeof(deep));
	insert(m, draw((uint32_t)m->size + 1), deep, draw(sizeof(deep)));
}

static void damage(struct message *m)
{
	const char *piece = pieces[draw(sizeof(pieces) / sizeof(pieces[0]))];
	char copy[64];
	size_t at, size;

	switch (m->size ? draw(7) : 1) {
	case 0:
		m->bytes[draw((uint32_t)m->size)] ^= (char)(1u << draw(8));
		break;
	case 1: case 2: case 3:
		insert(m, draw((uint32_t)m->size + 1), piece, strlen(piece));
		break;
	case 4:
		cut_out(m);
		break;
	case 5:
		at = draw((uint32_t)m->size);
		size = 1 + draw(sizeof(copy) - 1);
		size = at + size > m->size ? m->size - at : size;
		memcpy(copy, m->bytes + at, size);
		insert(m, draw((uint32_t)m->size + 1), copy, size);
		break;
	default:
		nest(m);
	}
}

static void make(struct message *m)
{
	uint32_t nr = 1 + draw(3);

	m->size = 0;
	for (uint32_t i = 0; i < nr; i++) {
		const char *call = calls[draw(sizeof(calls) / sizeof(calls[0]))];

		/* with its end, most of the time */
		insert(m, m->size, call, strlen(call) + (draw(8) != 0));
	}
	for (uint32_t i = draw(6); i > 0; i--)
		damage(m);
}

/* More of an answer: how much, 0 at its end; -ETIMEDOUT: neither. */
static ssize_t read_more(int fd, char *to, size_t size)
{
	struct pollfd fds[2] = {
		{ .fd = fd, .events = POLLIN }, { .fd = agent.notify, .events = POLLIN },
	};
	char told[4096];
	ssize_t got;

	while (poll(fds, 2, ANSWER_MS) > 0) {
		/* systemd reads as well, or else the agent waits for it */
		if (fds[1].revents)
			(void)!recv(agent.notify, told, sizeof(told), 0);
		if (!fds[0].revents)
			continue;
		got = recv(fd, to, size, 0);
		return got < 0 ? 0 : got;
	}
	return -ETIMEDOUT;
}

/* What it was is shown, so that it can be looked into. */
static void fail_with(const struct message *m)
{
	for (size_t i = 0; i < m->size; i++)
		if (m->bytes[i] >= ' ' && m->bytes[i] <= '~')
			putchar(m->bytes[i]);
		else
			printf("<%02x>", (unsigned char)m->bytes[i]);
	fflush(stdout);
	ck_abort_msg("neither an answer nor an end");
}

static void throw(const struct message *m)
{
	int fd = agent_process_connect();
	char some[4096];

	/* the agent may have closed it by then */
	(void)!send(fd, m->bytes, m->size, MSG_NOSIGNAL);
	/* one in five goes away without having listened */
	if (draw(5) != 0) {
		shutdown(fd, SHUT_WR);
		/* a call that is to be told of all that happens may never end */
		if (read_more(fd, some, sizeof(some)) < 0)
			fail_with(m);
	}
	close(fd);
}

/* An ordinary call gets its ordinary answer. */
static void ask(void)
{
	static const char status[] = CALL("Status", "{}");
	int fd = agent_process_connect();
	char answer[4096] = "";
	ssize_t got = 1;

	ck_assert_int_eq(send(fd, status, sizeof(status), MSG_NOSIGNAL), sizeof(status));
	shutdown(fd, SHUT_WR);
	for (size_t at = 0; got > 0 && at < sizeof(answer) - 1; at += (size_t)got) {
		got = read_more(fd, answer + at, sizeof(answer) - 1 - at);
		ck_assert_int_ge(got, 0);
	}
	ck_assert_msg(strstr(answer, "\"phase\":\"idle\""), "%s", answer);
	close(fd);
}

START_TEST(damaged_calls)
{
	static struct message message;
	unsigned int fds;
	uint64_t rss;

	for (int i = 0; i < CONNECTIONS / 4; i++) {
		make(&message);
		throw(&message);
	}
	ask();
	agent_process_let(&agent, 1000);
	fds = agent_process_fds(&agent);
	rss = agent_process_status(&agent, "VmRSS");
	for (int i = 0; i < CONNECTIONS; i++) {
		make(&message);
		throw(&message);
		if (i % 100 == 0)
			ask();
	}
	ask();
	/* of an upgrade that's still looked into, and calls whose end it hasn't seen yet */
	for (int i = 0; i < ANSWER_MS / 100 && agent_process_fds(&agent) > fds; i++)
		agent_process_let(&agent, 100);
	ck_assert_uint_le(agent_process_fds(&agent), fds);
	ck_assert_msg(SANITIZED || agent_process_status(&agent, "VmRSS") < rss + LEAK_MAX_KIB,
		      "it has grown by %llu KiB", (unsigned long long)
		      (agent_process_status(&agent, "VmRSS") - rss));
}
END_TEST

/* ---- access ---- */

static void reload_with(const char *text, gid_t group)
{
	FILE *file = fopen("/run/kho-agent/kho-agent.conf", "we");
	struct stat st;

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	ck_assert_int_eq(kill(agent.pid, SIGHUP), 0);
	agent_process_wait_told(&agent, "RELOADING=1");
	agent_process_wait_told(&agent, "READY=1");
	ck_assert_int_eq(stat(KHO_API_SOCKET, &st), 0);
	ck_assert_uint_eq(st.st_gid, group);
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
	ask();
}

START_TEST(read_group_anew)
{
	const struct group *group = getgrnam("adm");

	ck_assert_ptr_nonnull(group);
	reload_with("", 0);
	reload_with("[API]\nReadGroup=adm\n", group->gr_gid);
	reload_with("[API]\nReadGroup=no-such-group\n", 0);
	reload_with("[API]\nReadGroup=adm\n", group->gr_gid);
	reload_with("[API\n", 0);
	unlink("/run/kho-agent/kho-agent.conf");
}
END_TEST

static Suite *agent_suite(void)
{
	Suite *suite = suite_create("agent");
	TCase *tc = tcase_create("agent");

	tcase_add_checked_fixture(tc, start, stop);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, sleeps);
	tcase_add_test(tc, is_small);
	tcase_add_test(tc, damaged_calls);
	tcase_add_test(tc, read_group_anew);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	agent_process_isolate();
	return run_suite(agent_suite());
}
