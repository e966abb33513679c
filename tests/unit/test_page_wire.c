// SPDX-License-Identifier: GPL-2.0-only
/*
 * CRIU's page protocol: what criu 4.2.1 sends is understood in any chunking, all
 * else is refused; the relay answers and remembers, the feed fills the store.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "migrate/pages/feed.h"
#include "migrate/pages/relay.h"
#include "migrate/pages/wire.h"
#include "unit/run.h"

#define PAGE 4096u

struct command {
	uint32_t cmd, pad;
	uint64_t nr_pages, vaddr, image;
};

static unsigned char stream[64 * PAGE];
static size_t length;
static struct kho_err err;

static void setup(void)
{
	length = 0;
	err = (struct kho_err){ 0 };
}

static void add(uint32_t cmd, uint32_t flags, uint64_t nr, uint64_t vaddr, uint64_t image)
{
	struct command c = { cmd | flags << 16, 0xdeadbeef, nr, vaddr, image };

	memcpy(stream + length, &c, sizeof(c));
	length += sizeof(c);
}

static void add_pages(uint64_t nr, uint64_t vaddr, uint64_t image, int fill)
{
	add(6, 6, nr, vaddr, image);
	memset(stream + length, fill, nr * PAGE);
	length += nr * PAGE;
}

static int push(struct kho_page_wire *wire, const void *data, size_t size,
		struct kho_page_event *event)
{
	size_t used = 0;

	return kho_page_wire_push(wire, data, size, &used, event, &err);
}

/* One command in a fresh parser that has image 5 of a task open */
static int one(uint32_t cmd, uint32_t flags, uint64_t nr, uint64_t vaddr, uint64_t image)
{
	struct kho_page_event event;
	struct kho_page_wire wire;
	int r;

	kho_page_wire_init(&wire);
	length = 0;
	add(4, 0, 0, 0, kho_pages_image(5, 1));
	ck_assert_int_eq(push(&wire, stream, 32, &event), 1);
	length = 0;
	add(cmd, flags, nr, vaddr, image);
	r = push(&wire, stream, 32, &event);
	if (r < 0) {
		ck_assert_int_eq(r, -EBADMSG);
		ck_assert_int_eq(push(&wire, stream, 32, &event), -EBADMSG);
	}
	return r;
}

START_TEST(events)
{
	uint64_t image = kho_pages_image(43, KHO_PAGES_TASK);
	struct kho_page_event event;
	struct kho_page_wire wire;

	kho_page_wire_init(&wire);
	add(5, 0, 0, 0, image);
	add(4, 0, 0, 0, image);
	add(6, 6, 256, 0x7f7cb0c00000, image);
	ck_assert_int_eq(push(&wire, stream, 32, &event), 1);
	ck_assert_int_eq(event.type, KHO_PAGE_EVENT_ASK_PARENT);
	ck_assert_uint_eq(event.image, 43 << 8 | 1);
	ck_assert_int_eq(push(&wire, stream + 32, 32, &event), 1);
	ck_assert_int_eq(event.type, KHO_PAGE_EVENT_OPEN);
	ck_assert_int_eq(push(&wire, stream + 64, 32, &event), 1);
	ck_assert_int_eq(event.type, KHO_PAGE_EVENT_PAGES);
	ck_assert_uint_eq(event.flags, KHO_PAGE_PRESENT | KHO_PAGE_LAZY);
	ck_assert_uint_eq(event.nr_pages, 256);
	ck_assert_uint_eq(event.vaddr, 0x7f7cb0c00000);
	ck_assert_uint_eq(wire.payload, 1 << 20);
	ck_assert_int_eq(push(&wire, stream, 32, &event), -EBUSY);
	kho_page_wire_moved(&wire, 1 << 20);
	length = 0;
	add(6, 1, 7, 0x1000, image);
	add(2, 0, 7, 0x9000, image);
	add(0x1023, 0, 0, 0, 0);
	add(0x1024, 0, 0, 0, 0);
	ck_assert_int_eq(push(&wire, stream, 32, &event), 1);
	ck_assert_int_eq(event.type, KHO_PAGE_EVENT_HOLE);
	ck_assert_int_eq(push(&wire, stream + 32, 32, &event), 1);
	ck_assert_int_eq(event.type, KHO_PAGE_EVENT_HOLE);
	ck_assert_uint_eq(event.flags, KHO_PAGE_PARENT);
	ck_assert_int_eq(push(&wire, stream + 64, 32, &event), 1);
	ck_assert(event.type == KHO_PAGE_EVENT_CLOSE && !event.last);
	ck_assert_int_eq(push(&wire, stream + 96, 32, &event), 1);
	ck_assert(event.type == KHO_PAGE_EVENT_CLOSE && event.last);
	ck_assert_int_eq(push(&wire, stream, 1, &event), -EBADMSG);
}
END_TEST

START_TEST(byte_by_byte)
{
	struct kho_page_event event;
	struct kho_page_wire wire;
	size_t i;

	kho_page_wire_init(&wire);
	add(4, 0, 0, 0, kho_pages_image(1, 1));
	for (i = 0; i < 31; i++) {
		ck_assert_uint_eq(kho_page_wire_missing(&wire), 32 - i);
		ck_assert_int_eq(push(&wire, stream + i, 1, &event), 0);
	}
	ck_assert_int_eq(push(&wire, stream + 31, 1, &event), 1);
}
END_TEST

START_TEST(hostile)
{
	uint64_t image = kho_pages_image(5, 1);

	ck_assert_int_eq(one(6, 4, 1, 0x1000, image), 1);
	ck_assert_int_eq(one(1, 0, 1, 0x1000, image), -EBADMSG);	/* ADD */
	ck_assert_int_eq(one(3, 0, 0, 0, image), -EBADMSG);		/* OPEN */
	ck_assert_int_eq(one(7, 0, 1, 0x1000, image), -EBADMSG);	/* GET */
	ck_assert_int_eq(one(0, 0, 0, 0, 0), -EBADMSG);
	ck_assert_int_eq(one(6, 4, 0, 0x1000, image), -EBADMSG);
	ck_assert_int_eq(one(6, 4, 1, 0x1001, image), -EBADMSG);
	ck_assert_int_eq(one(6, 4, UINT64_MAX, 0x1000, image), -EBADMSG);
	ck_assert_int_eq(one(6, 4, 1ULL << 52, 0, image), -EBADMSG);
	ck_assert_int_eq(one(6, 4, 1, UINT64_MAX & ~4095ULL, image), -EBADMSG);
	ck_assert_int_eq(one(6, 4, 2, (1ULL << 56) - 4096, image), -EBADMSG);
	ck_assert_int_eq(one(6, 4, 1, (1ULL << 56) - 4096, image), 1);
	ck_assert_int_eq(one(6, 4, 1, 0x1000, kho_pages_image(6, 1)), -EBADMSG);
	ck_assert_int_eq(one(6, 2, 1, 0x1000, image), -EBADMSG);	/* LAZY alone */
	ck_assert_int_eq(one(6, 0, 1, 0x1000, image), -EBADMSG);
	ck_assert_int_eq(one(6, 5, 1, 0x1000, image), -EBADMSG);
	ck_assert_int_eq(one(6, 12, 1, 0x1000, image), -EBADMSG);
	ck_assert_int_eq(one(4, 0, 0, 0, kho_pages_image(5, 3)), -EBADMSG);
	ck_assert_int_eq(one(4, 0, 0, 0, kho_pages_image(0, 1)), -EBADMSG);
	ck_assert_int_eq(one(4, 0, 0, 0, kho_pages_image(1ULL << 40, 1)), -EBADMSG);
	ck_assert_int_eq(one(4, 0, 0, 0, kho_pages_image(1ULL << 40, 2)), 1);
}
END_TEST

/* What criu would write, into a relay; what the relay hands out, into a feed */
struct path {
	struct kho_page_relay *relay;
	struct kho_page_store *store;
	struct kho_page_feed feed;
	int criu;
};

static void path_open(struct path *p)
{
	int memfd = memfd_create("store", MFD_CLOEXEC);

	ck_assert_int_eq(kho_page_relay_new(&p->relay, &err), 0);
	ck_assert_int_eq(kho_page_store_new(memfd, 64 << 20, &p->store, &err), 0);
	close(memfd);
	kho_page_feed_init(&p->feed, p->store);
	p->criu = -1;
}

static void path_begin(struct path *p)
{
	int pair[2], size = 1 << 20;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	ck_assert_int_eq(kho_page_relay_begin(p->relay, pair[0], &err), 0);
	ck_assert_int_eq(kho_page_feed_begin(&p->feed, &err), 0);
	p->criu = pair[1];
	length = 0;
}

static void path_close(struct path *p)
{
	close(p->criu);
	kho_page_relay_free(p->relay);
	kho_page_store_free(p->store);
}

/* Moves all that's in the socket; what the last step returned */
static int pump(struct path *p)
{
	struct kho_page_span span;
	size_t room;
	void *to;
	ssize_t n;
	int r, fed = 0;

	ck_assert_int_eq(send(p->criu, stream, length, MSG_DONTWAIT), (ssize_t)length);
	length = 0;
	while ((r = kho_page_relay_next(p->relay, &span, &err)) > 0) {
		ck_assert_int_eq(kho_page_feed_room(&p->feed, &to, &room, &err), 1);
		if (room > span.size)
			room = span.size;
		if (room > 1000)
			room = 1000;
		if (span.data)
			memcpy(to, span.data, room);
		n = span.data ? (ssize_t)room : recv(span.fd, to, room, MSG_DONTWAIT);
		if (n <= 0)
			return -EAGAIN;
		fed = kho_page_feed_filled(&p->feed, (size_t)n, &err);
		if (fed < 0)
			return fed;
		kho_page_relay_moved(p->relay, (size_t)n);
	}
	return r == 0 ? fed : r;
}

static const unsigned char *page_at(const struct path *p, uint64_t image, uint64_t vaddr)
{
	struct kho_page_run run;

	if (!kho_page_store_next_run(p->store, image, vaddr, vaddr + PAGE, &run))
		return NULL;
	return kho_page_store_data(p->store, run.slot);
}

static int answered(const struct path *p, size_t size)
{
	int32_t word = 0;

	ck_assert_int_eq(recv(p->criu, &word, size, MSG_DONTWAIT), (ssize_t)size);
	return word;
}

START_TEST(rounds)
{
	uint64_t task = kho_pages_image(7, 1), shmem = kho_pages_image(7, 2);
	struct kho_page_relay_stats stats;
	struct path p;

	path_open(&p);
	path_begin(&p);
	add(5, 0, 0, 0, task);
	add(4, 0, 0, 0, task);
	add_pages(3, 0x10000, task, 'a');
	add_pages(1, 0x20000, task, 'a');
	add(4, 0, 0, 0, shmem);
	add_pages(1, 0, shmem, 's');
	ck_assert_int_eq(pump(&p), -EAGAIN);
	ck_assert_int_eq(answered(&p, 4), 0);
	ck_assert_int_eq(answered(&p, 1), 0);
	ck_assert_int_eq(answered(&p, 1), 0);
	add(0x1024, 0, 0, 0, 0);
	ck_assert_int_eq(pump(&p), 1);
	ck_assert_int_lt(recv(p.criu, &(int){ 0 }, 4, MSG_DONTWAIT), 0);
	ck_assert_int_eq(kho_page_relay_answer(p.relay, 0, &err), 0);
	ck_assert_int_eq(answered(&p, 4), 0);
	kho_page_relay_stats(p.relay, &stats);
	ck_assert_uint_eq(stats.pages, 5);
	ck_assert_uint_eq(stats.images, 2);
	close(p.criu);

	path_begin(&p);
	add(5, 0, 0, 0, task);
	add(4, 0, 0, 0, task);
	add(4, 0, 0, 0, shmem);
	add(4, 0, 0, 0, task);
	add(6, 1, 1, 0x10000, task);
	add_pages(1, 0x11000, task, 'b');
	add(0x1024, 0, 0, 0, 0);
	ck_assert_int_eq(pump(&p), 1);
	ck_assert_int_eq(answered(&p, 4), 1);
	ck_assert_int_eq(answered(&p, 1), 1);
	ck_assert_int_eq(answered(&p, 1), 0);
	ck_assert_int_eq(answered(&p, 1), 1);
	ck_assert_int_eq(kho_page_relay_answer(p.relay, 0, &err), 0);
	ck_assert_int_eq(page_at(&p, task, 0x10000)[5], 'a');
	ck_assert_int_eq(page_at(&p, task, 0x11000)[5], 'b');
	ck_assert_ptr_null(page_at(&p, task, 0x12000));
	ck_assert_ptr_null(page_at(&p, task, 0x20000));
	ck_assert_ptr_null(page_at(&p, shmem, 0));
	path_close(&p);
}
END_TEST

START_TEST(a_failed_round_forgets)
{
	uint64_t task = kho_pages_image(7, 1);
	struct kho_page_span span;
	struct path p;

	path_open(&p);
	path_begin(&p);
	add(4, 0, 0, 0, task);
	add_pages(1, 0x10000, task, 'a');
	add(0x1024, 0, 0, 0, 0);
	ck_assert_int_eq(pump(&p), 1);
	ck_assert_int_eq(kho_page_relay_answer(p.relay, 0, &err), 0);
	close(p.criu);

	path_begin(&p);
	add(4, 0, 0, 0, task);
	ck_assert_int_eq(pump(&p), -EAGAIN);
	ck_assert_int_eq(answered(&p, 1), 1);
	close(p.criu);
	ck_assert_int_eq(kho_page_relay_next(p.relay, &span, &err), -EPIPE);
	ck_assert_int_eq(kho_page_relay_answer(p.relay, 0, &err), -EINVAL);
	kho_page_relay_abandon(p.relay);
	kho_page_feed_abandon(&p.feed);

	path_begin(&p);
	add(4, 0, 0, 0, task);
	add(6, 1, 1, 0x10000, task);
	ck_assert_int_eq(pump(&p), -ENODATA);
	ck_assert_int_eq(answered(&p, 1), 0);
	path_close(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("page_wire");
	TCase *tc = tcase_create("page_wire");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, events);
	tcase_add_test(tc, byte_by_byte);
	tcase_add_test(tc, hostile);
	tcase_add_test(tc, rounds);
	tcase_add_test(tc, a_failed_round_forgets);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
