// SPDX-License-Identifier: GPL-2.0-only
/* Attributes as text, and CPUs of one kernel as those of another; attributes.h has the idea. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "migrate/workload/attributes.h"

#define HEAD		"kho-attributes 1"
#define MAX_WORDS	16
#define TASK_WORDS	12
#define PROCESS_WORDS	4
#define SOCKET_WORDS	4
#define TIMER_WORDS	8

/* ---- lists ---- */

void kho_attributes_done(struct kho_attributes *a)
{
	free(a->tasks);
	free(a->processes);
	free(a->sockets);
	free(a->timers);
	*a = (struct kho_attributes){};
}

/* Room for one more; grows at powers of two. */
static int add(void **array, size_t *nr, const void *item, size_t size, struct kho_err *err)
{
	void *more = *array;

	if ((*nr & (*nr - 1)) == 0)
		more = reallocarray(*array, *nr ? *nr * 2 : 1, size);
	if (!more)
		return kho_fail(err, -ENOMEM, "no memory for attributes of tasks");
	*array = more;
	memcpy((char *)more + *nr * size, item, size);
	(*nr)++;
	return 0;
}

int kho_attributes_add_task(struct kho_attributes *a, const struct kho_task_attributes *task,
			    struct kho_err *err)
{
	return add((void **)&a->tasks, &a->nr_tasks, task, sizeof(*task), err);
}

int kho_attributes_add_process(struct kho_attributes *a,
			       const struct kho_process_attributes *process, struct kho_err *err)
{
	return add((void **)&a->processes, &a->nr_processes, process, sizeof(*process), err);
}

int kho_attributes_add_socket(struct kho_attributes *a, const struct kho_socket_attributes *socket,
			      struct kho_err *err)
{
	return add((void **)&a->sockets, &a->nr_sockets, socket, sizeof(*socket), err);
}

int kho_attributes_add_timer(struct kho_attributes *a, const struct kho_timer_attributes *timer,
			     struct kho_err *err)
{
	return add((void **)&a->timers, &a->nr_timers, timer, sizeof(*timer), err);
}

/* ---- text ---- */

static void print_task(FILE *out, const struct kho_task_attributes *t)
{
	char cpus[KHO_CPUS_TEXT] = "all";

	if (!t->all_cpus)
		kho_cpus_format(&t->cpus, cpus, sizeof(cpus));
	fprintf(out, "task %d %" PRIu32 " %" PRIu64 " %" PRId32 " %" PRIu32 " %" PRIu64 " %" PRIu64
		" %" PRIu64 " %" PRIu32 " %" PRIu64 " %s\n", t->tid, t->policy, t->flags, t->nice,
		t->priority, t->runtime_ns, t->deadline_ns, t->period_ns, t->ioprio, t->slack_ns,
		cpus);
}

static void print(FILE *out, const struct kho_attributes *a)
{
	char online[KHO_CPUS_TEXT];

	kho_cpus_format(&a->online, online, sizeof(online));
	fprintf(out, HEAD "\n");
	if (*online)
		fprintf(out, "online %s\n", online);
	for (size_t i = 0; i < a->nr_tasks; i++)
		print_task(out, &a->tasks[i]);
	for (size_t i = 0; i < a->nr_processes; i++)
		fprintf(out, "process %d %" PRId32 " %" PRIu32 "\n", a->processes[i].pid,
			a->processes[i].oom_score_adj, a->processes[i].coredump_filter);
	for (size_t i = 0; i < a->nr_sockets; i++)
		fprintf(out, "congestion %d %d %s\n", a->sockets[i].pid, a->sockets[i].fd,
			a->sockets[i].congestion);
	for (size_t i = 0; i < a->nr_timers; i++) {
		const struct kho_timer_attributes *t = &a->timers[i];

		fprintf(out, "timer %d %d %" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64
			"\n", t->pid, t->fd, t->clock, t->flags, t->ticks, t->due_ns,
			t->interval_ns);
	}
	fprintf(out, "end\n");
}

int kho_attributes_format(const struct kho_attributes *a, char **ret, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out)
		print(out, a);
	if (!out || fclose(out) != 0)
		return kho_fail(err, -ENOMEM, "no memory for attributes of tasks");
	*ret = TAKE_PTR(text);
	return 0;
}

/* ---- and back ---- */

static unsigned int split(char *line, char *words[MAX_WORDS])
{
	unsigned int nr = 0;
	char *rest, *word;

	for (word = strtok_r(line, " ", &rest); word && nr < MAX_WORDS;
	     word = strtok_r(NULL, " ", &rest))
		words[nr++] = word;
	return nr;
}

static bool read_u32(const char *text, uint32_t *ret)
{
	return kho_parse_u32(text, ret, NULL) >= 0;
}

static bool read_u64(const char *text, uint64_t *ret)
{
	return kho_parse_u64(text, ret, NULL) >= 0;
}

/* Of small numbers that may be negative: nice, oom_score_adj. */
static bool read_s32(const char *text, int32_t *ret)
{
	bool negative = *text == '-';
	uint32_t number;

	if (!read_u32(text + negative, &number) || number > INT32_MAX)
		return false;
	*ret = negative ? -(int32_t)number : (int32_t)number;
	return true;
}

static bool read_pid(const char *text, pid_t *ret)
{
	return read_s32(text, ret) && *ret > 0;
}

static bool read_fd(const char *text, int *ret)
{
	return read_s32(text, ret) && *ret >= 0;
}

static bool is_name(const char *text)
{
	size_t size = strlen(text);

	if (size == 0 || size >= KHO_CONGESTION_NAME)
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && *text != '_' && *text != '-')
			return false;
	return true;
}

static int take_task(char *const words[], struct kho_attributes *a, struct kho_err *err)
{
	struct kho_task_attributes t = {};

	t.all_cpus = strcmp(words[11], "all") == 0;
	if (!read_pid(words[1], &t.tid) || !read_u32(words[2], &t.policy) ||
	    !read_u64(words[3], &t.flags) || !read_s32(words[4], &t.nice) ||
	    !read_u32(words[5], &t.priority) || !read_u64(words[6], &t.runtime_ns) ||
	    !read_u64(words[7], &t.deadline_ns) || !read_u64(words[8], &t.period_ns) ||
	    !read_u32(words[9], &t.ioprio) || !read_u64(words[10], &t.slack_ns) ||
	    (!t.all_cpus && kho_parse_cpus(words[11], &t.cpus, NULL) < 0))
		return -EBADMSG;
	return kho_attributes_add_task(a, &t, err);
}

static int take_process(char *const words[], struct kho_attributes *a, struct kho_err *err)
{
	struct kho_process_attributes p = {};

	if (!read_pid(words[1], &p.pid) || !read_s32(words[2], &p.oom_score_adj) ||
	    !read_u32(words[3], &p.coredump_filter))
		return -EBADMSG;
	return kho_attributes_add_process(a, &p, err);
}

static int take_socket(char *const words[], struct kho_attributes *a, struct kho_err *err)
{
	struct kho_socket_attributes s = {};

	if (!read_pid(words[1], &s.pid) || !read_fd(words[2], &s.fd) || !is_name(words[3]))
		return -EBADMSG;
	snprintf(s.congestion, sizeof(s.congestion), "%s", words[3]);
	return kho_attributes_add_socket(a, &s, err);
}

static int take_timer(char *const words[], struct kho_attributes *a, struct kho_err *err)
{
	struct kho_timer_attributes t = {};

	if (!read_pid(words[1], &t.pid) || !read_fd(words[2], &t.fd) ||
	    !read_u32(words[3], &t.clock) || !read_u32(words[4], &t.flags) ||
	    !read_u64(words[5], &t.ticks) || !read_u64(words[6], &t.due_ns) ||
	    !read_u64(words[7], &t.interval_ns) || t.due_ns > INT64_MAX ||
	    t.interval_ns > INT64_MAX)
		return -EBADMSG;
	return kho_attributes_add_timer(a, &t, err);
}

static int take_online(char *const words[], struct kho_attributes *a, struct kho_err *err)
{
	(void)err;
	return kho_parse_cpus(words[1], &a->online, NULL) < 0 ? -EBADMSG : 0;
}

static int take_line(char *line, struct kho_attributes *a, struct kho_err *err)
{
	static const struct {
		const char *word;
		unsigned int nr;
		int (*take)(char *const words[], struct kho_attributes *a, struct kho_err *err);
	} known[] = {
		{ "online", 2, take_online },
		{ "task", TASK_WORDS, take_task },
		{ "process", PROCESS_WORDS, take_process },
		{ "congestion", SOCKET_WORDS, take_socket },
		{ "timer", TIMER_WORDS, take_timer },
	};
	char *words[MAX_WORDS];
	unsigned int nr = split(line, words);

	for (size_t i = 0; nr && i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(words[0], known[i].word) == 0)
			return nr < known[i].nr ? -EBADMSG : known[i].take(words, a, err);
	return 0;
}

static int take_all(char *text, struct kho_attributes *a, struct kho_err *err)
{
	char *rest, *line = strtok_r(text, "\n", &rest);
	int r = line && strcmp(line, HEAD) == 0 ? 0 : -EBADMSG;

	while (r >= 0 && (line = strtok_r(NULL, "\n", &rest)) && strcmp(line, "end") != 0)
		r = take_line(line, a, err);
	if (r == 0 && !line)
		r = -EBADMSG;
	return r == -EBADMSG ? kho_fail(err, r, "the attributes of tasks are damaged, or of an "
					"agent that's too new") : r;
}

int kho_attributes_parse(char *text, struct kho_attributes *ret, struct kho_err *err)
{
	struct kho_attributes a = {};
	int r = take_all(text, &a, err);

	if (r < 0)
		kho_attributes_done(&a);
	else
		*ret = a;
	return r;
}

/* ---- CPUs ---- */

static unsigned int member(const struct kho_cpus *cpus, unsigned int index)
{
	unsigned int cpu = kho_cpus_next(cpus, 0);

	while (index--)
		cpu = kho_cpus_next(cpus, cpu + 1);
	return cpu;
}

void kho_attributes_map_cpus(const struct kho_cpus *cpus, const struct kho_cpus *from,
			     const struct kho_cpus *to, struct kho_cpus *ret)
{
	unsigned int cpu, index = 0, nr = kho_cpus_count(to);

	*ret = (struct kho_cpus){};
	if (!nr)
		return;
	for (cpu = kho_cpus_next(from, 0); cpu < KHO_CPUS_MAX; cpu = kho_cpus_next(from, cpu + 1)) {
		if (kho_cpus_has(cpus, cpu))
			kho_cpus_add(ret, member(to, index % nr));
		index++;
	}
	/* none of its CPUs were there: the kernel lets such a task run anywhere, too */
	if (!kho_cpus_count(ret))
		*ret = *to;
}
