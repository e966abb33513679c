// SPDX-License-Identifier: GPL-2.0-only
/*
 * abmem: a task whose whole memory proves that nothing of it was lost or mixed up.
 *
 *	abmem BEAT_FILE MIB DIRTY_MIB_PER_SECOND [SHARED_MIB [tricks|plain [THREADS]]]
 *
 * Each page has its number, a counter and a sum of both all over. The counters
 * that are expected are kept in a table of their own, so a page of an earlier
 * time is found as well as a wrong one. Pages are changed at the rate that's
 * asked for, in an order that jumps; all pages are checked round and round.
 * A table and its pages move together or the check fails.
 *
 * SHARED_MIB more are shared with a child (MAP_SHARED), who checks its half.
 * "tricks": on each beat also fork a child that checks all pages, move memory by
 * mremap(), give memory back by madvise() and see zeroes, split mappings.
 *
 * With THREADS memory and rate are shared out among so many, of which the first is as
 * above and the others change and check what's theirs.
 *
 * Once every 100 ms a line is written over BEAT_FILE: "beat N rounds R changes C
 * longest U us", U being the longest time between two steps since the last beat
 * that was written, R and C those of the thread that has done least. A failure is
 * "BAD ..." there, and the end. The file stays open, and has another size each time, which
 * a restore compares.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096ul
#define WORDS	(PAGE / 8)
#define BEAT_NS	100000000ull
#define STEP	64		/* pages checked in a step */
#define THREADS	64ul		/* at most */

struct memory {
	uint64_t *pages;
	uint64_t *expected;	/* a page's counter */
	uint64_t nr;
};

static char beat_path[256];
static int beat_fd = -1;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void say(const char *text)
{
	if (beat_fd < 0)
		beat_fd = open(beat_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (pwrite(beat_fd, text, strlen(text), 0) > 0)
		(void)!ftruncate(beat_fd, (off_t)strlen(text));
}

static void bad(const char *what, uint64_t page, uint64_t found, uint64_t expected)
{
	char text[256];

	snprintf(text, sizeof(text), "BAD %s: page %llu has %llx, not %llx\n", what,
		 (unsigned long long)page, (unsigned long long)found, (unsigned long long)expected);
	say(text);
	fputs(text, stderr);
	_exit(1);
}

static uint64_t word_of(uint64_t page, uint64_t counter, uint64_t i)
{
	uint64_t x = page * 0x9e3779b97f4a7c15ull + counter * 0xbf58476d1ce4e5b9ull + i;

	return x ^ x >> 29;
}

static void fill(struct memory *m, uint64_t page, uint64_t counter)
{
	uint64_t *at = m->pages + page * WORDS, i;

	m->expected[page] = counter;
	at[0] = page;
	at[1] = counter;
	for (i = 2; i < WORDS; i++)
		at[i] = word_of(page, counter, i);
}

static void check(const struct memory *m, uint64_t page)
{
	const uint64_t *at = m->pages + page * WORDS;
	uint64_t counter = m->expected[page], i;

	if (at[0] != page)
		bad("number", page, at[0], page);
	if (at[1] != counter)
		bad("counter", page, at[1], counter);
	for (i = 2; i < WORDS; i += 5)
		if (at[i] != word_of(page, counter, i))
			bad("content", page, at[i], word_of(page, counter, i));
}

static void check_all(const struct memory *m)
{
	uint64_t page;

	for (page = 0; page < m->nr; page++)
		check(m, page);
}

static void *map(uint64_t size, int flags)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("abmem: mmap");
		_exit(1);
	}
	return p;
}

static void make(struct memory *m, uint64_t mib, int flags)
{
	uint64_t page;

	m->nr = (mib << 20) / PAGE;
	m->pages = map((m->nr + 1) * PAGE, flags);
	m->expected = map((m->nr + 1) * sizeof(uint64_t), flags);
	for (page = 0; page < m->nr; page++)
		fill(m, page, 1);
}

/* Moves pages [0, nr) elsewhere and back; they stay what they are */
static void move_memory(struct memory *m)
{
	uint64_t size = m->nr / 4 * PAGE;
	void *there;

	if (!size)
		return;
	there = map(size, MAP_PRIVATE);
	if (mremap(m->pages, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, there) == MAP_FAILED)
		bad("mremap", 0, (uint64_t)errno, 0);
	if (((uint64_t *)there)[0] != 0)
		bad("moved", 0, ((uint64_t *)there)[0], 0);
	if (mremap(there, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, m->pages) == MAP_FAILED)
		bad("mremap back", 0, (uint64_t)errno, 0);
}

/* Pages that are given back are zero, and can be used again */
static void give_back(struct memory *m, uint64_t first, uint64_t nr)
{
	uint64_t page, *at = m->pages + first * WORDS;

	if (madvise(at, nr * PAGE, MADV_DONTNEED) < 0)
		bad("madvise", first, (uint64_t)errno, 0);
	for (page = first; page < first + nr; page++) {
		if (m->pages[page * WORDS + 7] != 0)
			bad("given back", page, m->pages[page * WORDS + 7], 0);
		fill(m, page, m->expected[page] + 1);
	}
}

static void split_mapping(struct memory *m, uint64_t first, uint64_t nr)
{
	void *at = m->pages + first * WORDS;

	if (mprotect(at, nr * PAGE, PROT_READ) < 0)
		bad("mprotect", first, (uint64_t)errno, 0);
	check(m, first);
	if (mprotect(at, nr * PAGE, PROT_READ | PROT_WRITE) < 0)
		bad("mprotect back", first, (uint64_t)errno, 0);
}

static void check_in_child(struct memory *m)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		check_all(m);
		_exit(0);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		return;
	if (pid > 0 && WIFEXITED(status))
		_exit(1);	/* it has said why */
	bad("child", 0, (uint64_t)status, 0);
}

static void do_tricks(struct memory *m, uint64_t beat)
{
	uint64_t first = beat * 1237 % (m->nr - 40);

	split_mapping(m, first, 8);
	give_back(m, first + 16, 16);
	if (beat % 4 == 1)
		move_memory(m);
	if (beat % 8 == 2)
		check_in_child(m);
}

static void run_shared_child(struct memory *m)
{
	uint64_t page, round;

	for (round = 2;; round++) {
		for (page = 1; page < m->nr; page += 2) {
			check(m, page);
			fill(m, page, round);
			if (page % 64 == 1)
				usleep(1000);
		}
		usleep(20000);
	}
}

struct work {
	struct memory mine, shared;
	uint64_t rate;			/* pages a second */
	uint64_t changes, checked, beats, longest;
	bool tricks, quiet;		/* quiet: another thread beats */
};

static struct work works[THREADS];
static unsigned long nr_works = 1;

/* Of the thread that has done least. */
static void least(uint64_t *ret_rounds, uint64_t *ret_changes)
{
	*ret_rounds = *ret_changes = UINT64_MAX;
	for (unsigned long i = 0; i < nr_works; i++) {
		uint64_t changes = __atomic_load_n(&works[i].changes, __ATOMIC_RELAXED);
		uint64_t rounds = __atomic_load_n(&works[i].checked, __ATOMIC_RELAXED) /
			works[i].mine.nr;

		*ret_rounds = rounds < *ret_rounds ? rounds : *ret_rounds;
		*ret_changes = changes < *ret_changes ? changes : *ret_changes;
	}
}

static void beat(struct work *w)
{
	uint64_t rounds, changes;
	char text[160];

	if (w->tricks && w->mine.nr > 64)
		do_tricks(&w->mine, w->beats);
	least(&rounds, &changes);
	w->beats++;
	snprintf(text, sizeof(text), "beat %llu rounds %llu changes %llu longest %llu us%*s\n",
		 (unsigned long long)w->beats, (unsigned long long)rounds,
		 (unsigned long long)changes, (unsigned long long)w->longest / 1000,
		 (int)(w->beats % 8), "");
	say(text);
	w->longest = 0;
}

static void step(struct work *w, uint64_t due)
{
	uint64_t i, page;

	for (; w->changes < due; w->changes++) {
		page = w->changes * 40503 % w->mine.nr;
		check(&w->mine, page);
		fill(&w->mine, page, w->mine.expected[page] + 1);
	}
	for (i = 0; i < STEP; i++)
		check(&w->mine, w->checked++ % w->mine.nr);
	for (i = 0; i < w->shared.nr && i < STEP; i++) {
		page = (w->checked + i) * 2 % w->shared.nr;
		check(&w->shared, page);
	}
}

static void run(struct work *w)
{
	uint64_t last = now_ns(), next_beat = last, credit = 0;

	for (;;) {
		uint64_t now = now_ns(), passed = now - last;

		last = now;
		if (passed > w->longest)
			w->longest = passed;
		/* what a pause would have brought isn't made up for */
		credit += w->rate * (passed > 10000000 ? 10000000 : passed);
		step(w, w->changes + credit / 1000000000);
		credit %= 1000000000;
		if (!w->quiet && now >= next_beat) {
			beat(w);
			next_beat = now + BEAT_NS;
		}
		usleep(500);
	}
}

static void *run_thread(void *arg)
{
	run(arg);
	return NULL;
}

static void start_threads(void)
{
	pthread_t thread;

	for (unsigned long i = 1; i < nr_works; i++)
		if (pthread_create(&thread, NULL, run_thread, &works[i]) != 0) {
			perror("abmem: thread");
			_exit(1);
		}
}

int main(int argc, char **argv)
{
	struct work *first = &works[0];

	if (argc < 4) {
		fprintf(stderr, "abmem BEAT_FILE MIB DIRTY_MIB_PER_SECOND [SHARED_MIB "
			"[tricks|plain [THREADS]]]\n");
		return 2;
	}
	snprintf(beat_path, sizeof(beat_path), "%s", argv[1]);
	if (argc > 6)
		nr_works = strtoul(argv[6], NULL, 0);
	if (nr_works < 1 || nr_works > THREADS)
		return 2;
	for (unsigned long i = 0; i < nr_works; i++) {
		make(&works[i].mine, strtoull(argv[2], NULL, 0) / nr_works, MAP_PRIVATE);
		works[i].rate = strtoull(argv[3], NULL, 0) * 256 / nr_works;
		works[i].quiet = i > 0;
	}
	first->tricks = argc > 5 && strcmp(argv[5], "tricks") == 0;
	if (argc > 4 && strtoull(argv[4], NULL, 0)) {
		make(&first->shared, strtoull(argv[4], NULL, 0), MAP_SHARED);
		if (fork() == 0)
			run_shared_child(&first->shared);
	}
	start_threads();
	run(first);
}
