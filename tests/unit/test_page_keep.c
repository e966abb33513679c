// SPDX-License-Identifier: GPL-2.0-only
/* Memory that stays here: CRIU's pages into a store, which another reader loads. */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "migrate/pages/keep.h"
#include "migrate/pages/store.h"
#include "unit/run.h"

#define PAGE	4096u

static struct kho_page_relay *relay;
static struct kho_page_keep *keep;
static struct kho_err err;
static int criu;

static void setup(void)
{
	err = (struct kho_err){};
	ck_assert_int_eq(kho_page_relay_new(&relay, &err), 0);
	ck_assert_int_eq(kho_page_keep_new(&keep, &err), 0);
	criu = -1;
}

static void teardown(void)
{
	if (criu >= 0)
		close(criu);
	kho_page_relay_free(relay);
	kho_page_keep_free(keep);
}

static void begin(void)
{
	int pair[2], size = 1 << 20;

	if (criu >= 0)
		close(criu);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	ck_assert_int_eq(kho_page_relay_begin(relay, pair[0], &err), 0);
	ck_assert_int_eq(kho_page_keep_begin(keep, &err), 0);
	criu = pair[1];
}

static void say(const void *data, size_t size)
{
	ck_assert_int_eq(send(criu, data, size, MSG_DONTWAIT), (ssize_t)size);
}

static void command(uint32_t cmd, uint64_t nr, uint64_t vaddr, uint64_t image)
{
	struct {
		uint32_t cmd, pad;
		uint64_t nr, vaddr, image;
	} c = { cmd, 0, nr, vaddr, image };

	say(&c, sizeof(c));
}

#define OPEN	4u
#define PAGES	(6u | 6u << 16)
#define CLOSE	0x1024u

static void page(uint64_t vaddr, uint64_t image, int fill)
{
	unsigned char bytes[PAGE];

	memset(bytes, fill, sizeof(bytes));
	command(PAGES, 1, vaddr, image);
	say(bytes, sizeof(bytes));
}

/* As the event loop would, until there's nothing more. */
static int take(void)
{
	int r;

	do
		r = kho_page_keep_take(keep, relay, &err);
	while (r > 0);
	return r;
}

START_TEST(kept_and_loaded)
{
	const uint64_t task = kho_pages_image(7, KHO_PAGES_TASK);
	struct kho_page_store *store;
	struct kho_page_run run;
	int data, index;

	begin();
	command(OPEN, 0, 0, task);
	page(0x10000, task, 'a');
	page(0x20000, task, 'b');
	ck_assert_int_eq(take(), -EAGAIN);
	command(CLOSE, 0, 0, 0);
	ck_assert_int_eq(take(), 0);
	ck_assert_int_eq(kho_page_relay_answer(relay, 0, &err), 0);
	/* the next round replaces one page, and the other is gone */
	begin();
	command(OPEN, 0, 0, task);
	page(0x10000, task, 'c');
	command(CLOSE, 0, 0, 0);
	ck_assert_int_eq(take(), 0);
	ck_assert_int_eq(kho_page_relay_answer(relay, 0, &err), 0);

	ck_assert_int_eq(kho_page_keep_close(keep, &data, &index, &err), 0);
	ck_assert_int_eq(kho_page_store_load(data, index, &store, &err), 0);
	ck_assert(kho_page_store_next_run(store, task, 0, UINT64_MAX & ~0xfffull, &run));
	ck_assert_uint_eq(run.vaddr, 0x10000);
	ck_assert_uint_eq(run.nr_pages, 1);
	ck_assert_int_eq(*(const unsigned char *)kho_page_store_data(store, run.slot), 'c');
	ck_assert(!kho_page_store_next_run(store, task, 0x11000, UINT64_MAX & ~0xfffull, &run));
	kho_page_store_free(store);
	close(index);
}
END_TEST

START_TEST(criu_ends_early)
{
	const uint64_t task = kho_pages_image(7, KHO_PAGES_TASK);
	int data, index;

	begin();
	command(OPEN, 0, 0, task);
	command(PAGES, 2, 0x10000, task);
	say("half a page", 11);
	ck_assert_int_eq(take(), -EAGAIN);
	shutdown(criu, SHUT_WR);
	ck_assert_int_eq(take(), -EPIPE);
	kho_page_relay_abandon(relay);
	kho_page_keep_abandon(keep);
	/* nothing of that may be taken for its memory */
	ck_assert_int_eq(kho_page_keep_close(keep, &data, &index, &err), -EINVAL);
	/* and the next round is one like any other */
	begin();
	command(OPEN, 0, 0, task);
	page(0x10000, task, 'a');
	command(CLOSE, 0, 0, 0);
	ck_assert_int_eq(take(), 0);
}
END_TEST

START_TEST(nonsense)
{
	begin();
	command(99, 0, 0, 0);
	ck_assert_int_eq(take(), -EBADMSG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("page_keep");
	TCase *tc = tcase_create("page_keep");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, kept_and_loaded);
	tcase_add_test(tc, criu_ends_early);
	tcase_add_test(tc, nonsense);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
