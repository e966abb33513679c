// SPDX-License-Identifier: GPL-2.0-only
/*
 * The probes by themselves, on whatever kernel this runs on:
 *
 *	lab-bpf count		what the kernel holds of BPF, as JSON
 *	lab-bpf cycle N CGROUP	N times: all loaded, attached, marked, read, freed. Prints, as
 *				JSON, what was held meanwhile, our descriptors, and ms a time
 *	lab-bpf run CGROUP SIDE	attaches, says "ready", and takes lines: "mark PHASE", "read";
 *				ends at their end. SIDE: leaves, comes
 *
 *	lab-bpf overhead N CGROUP	a byte goes N times to another process and back: how long that
 *				takes without probes, and with them, in CGROUP and outside of it
 *
 * What can't be measured is told with its reason; it's for the test to judge.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bpf/probes.h"

#define WORKLOAD 3u

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static unsigned int count_ids(int (*next)(__u32 start, __u32 *ret))
{
	unsigned int count = 0;
	__u32 id = 0;

	while (next(id, &id) == 0)
		count++;
	return count;
}

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	while (dir && readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Programs of the probes: all their names begin alike, and no other's that is in the guest. */
static unsigned int count_ours(void)
{
	unsigned int count = 0;
	__u32 id = 0;

	while (bpf_prog_get_next_id(id, &id) == 0) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (bpf_prog_get_info_by_fd(fd, &info, &size) == 0 &&
		    strncmp(info.name, "on_", 3) == 0)
			count++;
		close(fd);
	}
	return count;
}

static void print_held(void)
{
	printf("{\"programs\": %u, \"maps\": %u, \"links\": %u, \"ours\": %u}",
	       count_ids(bpf_prog_get_next_id), count_ids(bpf_map_get_next_id),
	       count_ids(bpf_link_get_next_id), count_ours());
}

static struct kho_probes *begin(const char *cgroup, enum kho_probe_side side)
{
	const struct kho_bpf host = kho_bpf_host();
	struct kho_tcp_address address;
	struct kho_probes *probes;
	struct kho_err err;

	if (kho_probes_new(&host, side, &probes, &err) < 0 ||
	    kho_tcp_address_parse("10.77.0.10/24", &address, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		exit(1);
	}
	kho_probes_watch(probes, WORKLOAD, cgroup);
	kho_probes_watch_address(probes, &address);
	kho_probes_attach(probes);
	return probes;
}

static void print_why(const struct kho_seen *seen, struct kho_probes *probes)
{
	const char *tcp = kho_probes_why(probes, KHO_PROBE_TCP);

	printf("\"why\": {");
	for (unsigned int probe = 0; probe < KHO_PROBE_TCP; probe++)
		printf("\"%s\": \"%s\", ", kho_probe_name(probe), seen->why[probe]);
	printf("\"tcp\": \"%s\"}", tcp ?: "");
}

static int cycle(int times, const char *cgroup)
{
	struct kho_seen seen = {};
	struct kho_probes *probes;
	unsigned int fds = count_fds();
	double load = 0, drop = 0, at;

	for (int i = 0; i < times; i++) {
		at = now_ms();
		probes = begin(cgroup, i % 2 ? KHO_PROBE_LEAVES : KHO_PROBE_COMES);
		load += now_ms() - at;
		kho_probes_mark(probes, WORKLOAD, KHO_WATCH_FROZEN);
		kho_probes_read(probes, WORKLOAD, &seen);
		if (i == 0) {
			printf("{");
			print_why(&seen, probes);
			printf(", \"meanwhile\": ");
			print_held();
		}
		at = now_ms();
		kho_probes_free(probes);
		drop += now_ms() - at;
	}
	printf(", \"fds_before\": %u, \"fds_after\": %u, \"times\": %d, \"load_ms\": %.1f, "
	       "\"drop_ms\": %.1f}\n", fds, count_fds(), times, load / times, drop / times);
	return 0;
}

static void print_seen(struct kho_probes *probes)
{
	struct kho_seen s;

	kho_probes_read(probes, WORKLOAD, &s);
	printf("{\"last_out_ns\": %llu, \"first_in_ns\": %llu, \"first_call_ns\": %llu, "
	       "\"last_packet_ns\": %llu, \"first_packet_ns\": %llu, \"now_ns\": %.0f, ",
	       s.frozen.last_out_ns, s.frozen.first_in_ns, s.frozen.first_call_ns,
	       s.silent.last_out_ns, s.silent.first_out_ns, now_ms() * 1e6);
	print_why(&s, probes);
	printf("}\n");
}

static int run(const char *cgroup, const char *side)
{
	struct kho_probes *probes = begin(cgroup, strcmp(side, "comes") == 0 ? KHO_PROBE_COMES :
					  KHO_PROBE_LEAVES);
	unsigned int phase;
	char line[64];

	puts("ready");
	while (fflush(stdout) == 0 && fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "mark %u", &phase) == 1)
			kho_probes_mark(probes, WORKLOAD, phase);
		else if (strcmp(line, "read\n") == 0)
			print_seen(probes);
	}
	kho_probes_free(probes);
	return 0;
}

/* ---- what they cost ---- */

#define TURNS	7			/* the best of them: others are the machine's doing */

/* Two context switches and four system calls a round, at the least. */
static double ping_pong(int rounds)
{
	int there[2], back[2];
	double began;
	char byte = 0;
	pid_t child;

	if (pipe(there) < 0 || pipe(back) < 0 || (child = fork()) < 0)
		exit(1);
	if (child == 0) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	began = now_ms();
	for (int i = 0; i < rounds; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			exit(1);
	began = (now_ms() - began) * 1e3 / rounds;
	close(there[0]);
	close(there[1]);
	close(back[0]);
	close(back[1]);
	waitpid(child, NULL, 0);
	return began;
}

static void enter(const char *cgroup)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	file = fopen(path, "w");
	if (!file || fprintf(file, "%d", getpid()) < 0 || fclose(file) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
}

static void keep_best(double *best, double us)
{
	if (!*best || us < *best)
		*best = us;
}

/* On one CPU: then nothing is waited for but the other one. */
static void stay_here(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		exit(1);
}

/* By turns, so that what else the machine does is all the same to them. */
static int overhead(int rounds, const char *cgroup)
{
	double without = 0, leaves = 0, comes = 0, others = 0;
	struct kho_probes *probes;

	stay_here();
	for (int turn = 0; turn < TURNS; turn++) {
		enter(cgroup);
		keep_best(&without, ping_pong(rounds));
		probes = begin(cgroup, KHO_PROBE_LEAVES);
		keep_best(&leaves, ping_pong(rounds));
		kho_probes_free(probes);
		probes = begin(cgroup, KHO_PROBE_COMES);
		keep_best(&comes, ping_pong(rounds));
		enter("/sys/fs/cgroup");
		keep_best(&others, ping_pong(rounds));
		kho_probes_free(probes);
	}
	printf("{\"without_us\": %.3f, \"leaves_us\": %.3f, \"comes_us\": %.3f, "
	       "\"others_us\": %.3f}\n", without, leaves, comes, others);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "count") == 0) {
		print_held();
		putchar('\n');
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "cycle") == 0)
		return cycle((int)strtol(argv[2], NULL, 10), argv[3]);
	if (argc == 4 && strcmp(argv[1], "run") == 0)
		return run(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "overhead") == 0)
		return overhead((int)strtol(argv[2], NULL, 10), argv[3]);
	fprintf(stderr, "lab-bpf count | lab-bpf cycle N CGROUP | lab-bpf run CGROUP leaves|comes | "
		"lab-bpf overhead N CGROUP\n");
	return 2;
}
