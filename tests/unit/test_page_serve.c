// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page server without a kernel's part: which pages a task still wants while
 * its mappings move, and what criu may send. Images for criu: which pages are lazy,
 * and the very bytes that criu writes itself.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "criu-images.pb-c.h"
#include "migrate/pages/compose.h"
#include "migrate/pages/serve_private.h"
#include "unit/run.h"

#define PAGE	4096ull
#define BASE	0x10000000ull
#define PAGES	512u		/* of the model's addresses */
#define TASK	kho_pages_image(12, KHO_PAGES_TASK)

static struct kho_page_store *store;
static struct kho_err err;
static char dir[] = "/tmp/test_page_serve.XXXXXX";
static int dir_fd;

static void put(uint64_t vaddr, uint64_t nr)
{
	uint64_t got, i;
	void *data;

	for (; nr > 0; nr -= got, vaddr += got * PAGE) {
		ck_assert_int_eq(kho_page_store_put(store, vaddr, nr, &data, &got, &err), 0);
		for (i = 0; i < got; i++)
			memset((char *)data + i * PAGE, (int)(vaddr / PAGE + i), PAGE);
	}
}

static void setup(void)
{
	int fd = memfd_create("store", MFD_CLOEXEC);

	ck_assert_ptr_nonnull(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(kho_page_store_new(fd, 1 << 28, &store, &err), 0);
	close(fd);
	ck_assert_int_eq(kho_page_store_begin(store, &err), 0);
	ck_assert_int_eq(kho_page_store_open(store, TASK, &err), 0);
}

static void teardown(void)
{
	kho_page_store_free(store);
	unlinkat(dir_fd, "mm-12.img", 0);
	unlinkat(dir_fd, "pagemap-12.img", 0);
	unlinkat(dir_fd, "pagemap-shmem-159.img", 0);
	unlinkat(dir_fd, "pages-1.img", 0);
	unlinkat(dir_fd, "pages-2.img", 0);
	close(dir_fd);
	rmdir(dir);
}

static void check_space(const struct space *space, const uint64_t *wanted)
{
	uint64_t i, left = 0, wrong = 0;

	for (i = 0; i < PAGES; i++) {
		uint64_t vaddr = BASE + i * PAGE, origin = 0;
		size_t at = space_find(space, vaddr);

		if (at != NO_SPAN && span_wants(&space->spans[at],
						(vaddr - space->spans[at].start) / PAGE))
			origin = vaddr - space->spans[at].start + space->spans[at].origin;
		wrong += origin != wanted[i];
		left += wanted[i] != 0;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(space->left, left);
	for (i = 1; i < space->nr; i++)
		ck_assert_uint_le(space->spans[i - 1].start + space->spans[i - 1].pages * PAGE,
				  space->spans[i].start);
}

static uint64_t pick(uint64_t max)
{
	return (uint64_t)random() % max;
}

static void move_model(struct space *space, uint64_t *wanted)
{
	uint64_t nr = 1 + pick(60), from = pick(PAGES - nr), to = pick(PAGES - nr), i;
	int64_t dropped = 0, r;

	if (from < to + nr && to < from + nr)
		return;
	for (i = 0; i < nr; i++) {
		dropped += wanted[to + i] != 0;
		wanted[to + i] = wanted[from + i];
		wanted[from + i] = 0;
	}
	r = space_move(space, BASE + from * PAGE, BASE + to * PAGE, nr * PAGE);
	ck_assert_int_eq(r, dropped);
}

static void one_life(const struct kho_image_vma *vmas, size_t nr)
{
	uint64_t wanted[PAGES] = { 0 }, i;
	struct space *space, *fork;

	ck_assert_int_eq(space_new(store, TASK, vmas, nr, &space), 0);
	for (i = 0; i < 300; i++)
		if (i < 90 || (i >= 160 && i < 224) || i >= 230)
			wanted[i] = BASE + i * PAGE;
	check_space(space, wanted);
	for (i = 0; i < 40; i++) {
		uint64_t page = pick(PAGES - 4);

		move_model(space, wanted);
		check_space(space, wanted);
		if (i % 10)
			continue;
		memset(wanted + page, 0, 4 * sizeof(*wanted));
		space_drop(space, BASE + page * PAGE, BASE + (page + 4) * PAGE);
		check_space(space, wanted);
	}
	ck_assert_int_eq(space_clone(space, &fork), 0);
	check_space(fork, wanted);
	space_free(space);
	check_space(fork, wanted);
	space_free(fork);
}

START_TEST(mappings_that_move)
{
	const struct kho_image_vma vmas[] = {
		{ BASE, BASE + 100 * PAGE, true },
		{ BASE + 100 * PAGE, BASE + 150 * PAGE, false },
		{ BASE + 150 * PAGE, BASE + 300 * PAGE, true },
	};
	int i;

	put(BASE, 90);
	put(BASE + 110 * PAGE, 20);
	put(BASE + 160 * PAGE, 64);
	put(BASE + 230 * PAGE, 100);
	srandom(3);
	for (i = 0; i < 200; i++)
		one_life(vmas, 3);
}
END_TEST

static void write_image(const char *name, const void *data, size_t size)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	close(fd);
}

/* Mappings of one page each, at BASE and up: flags, status, madv */
static void write_mm(const uint64_t (*vmas)[3], size_t nr)
{
	Kho__Image__Vma vma[16], *list[16];
	Kho__Image__Mm mm = KHO__IMAGE__MM__INIT;
	uint8_t image[2048];
	uint32_t head[3] = { 0x54564319, 0x57492820 };
	size_t i;

	for (i = 0; i < nr; i++) {
		kho__image__vma__init(&vma[i]);
		vma[i].start = BASE + i * PAGE;
		vma[i].end = vma[i].start + PAGE;
		vma[i].has_flags = vma[i].has_status = vma[i].has_madv = true;
		vma[i].flags = (uint32_t)vmas[i][0];
		vma[i].status = (uint32_t)vmas[i][1];
		vma[i].madv = vmas[i][2];
		list[i] = &vma[i];
	}
	mm.n_vmas = nr;
	mm.vmas = list;
	head[2] = (uint32_t)kho__image__mm__pack(&mm, image + sizeof(head));
	memcpy(image, head, sizeof(head));
	write_image("mm-12.img", image, sizeof(head) + head[2]);
}

static size_t read_image(const char *name, void *data, size_t size)
{
	int fd = openat(dir_fd, name, O_RDONLY);
	ssize_t n = read(fd, data, size);

	ck_assert_int_ge(n, 0);
	close(fd);
	return (size_t)n;
}

START_TEST(lazy_or_not)
{
	const uint64_t vmas[][3] = {
		{ 0x22, 0x201, 0 },		/* private, anonymous */
		{ 0x02, 0x41, 0 },		/* private file */
		{ 0x22 | 0x2000, 0x201, 0 },	/* locked */
		{ 0x22 | 0x40000, 0x201, 0 },	/* huge pages */
		{ 0x22, 0x209, 0 },		/* vDSO */
		{ 0x22, 0x201, 1ull << 18 },	/* wiped on fork */
		{ 0x22, 0x201, 0 },
		{ 0x22 | 0x100, 0x201, 0 },	/* a stack */
	};
	struct kho_compose compose = { .store = store, .dir_fd = dir_fd };
	struct kho_compose_stats stats;
	unsigned char data[32768];

	put(BASE, 20);
	ck_assert_int_eq(kho_page_store_end(store, &err), 0);
	ck_assert_int_eq(kho_compose(&compose, &stats, &err), -ENOENT);
	write_mm(vmas, 8);
	ck_assert_int_eq(kho_compose(&compose, &stats, &err), 0);
	ck_assert_uint_eq(stats.lazy_pages, 3);
	ck_assert_uint_eq(stats.eager_pages, 5);
	ck_assert_uint_eq(stats.entries, 3);
	ck_assert_uint_eq(read_image("pages-1.img", data, sizeof(data)), 5 * PAGE);
	ck_assert_int_eq(data[0], (BASE / PAGE + 1) & 0xff);
	ck_assert_int_eq(data[4 * PAGE], (BASE / PAGE + 5) & 0xff);
	compose.eager = true;
	ck_assert_int_eq(kho_compose(&compose, &stats, &err), 0);
	ck_assert_uint_eq(stats.entries, 1);
	ck_assert_uint_eq(read_image("pages-1.img", data, sizeof(data)), 8 * PAGE);
}
END_TEST

START_TEST(bytes_of_criu)
{
	/* pagemap-shmem-159.img of criu 4.2.1: 5 pages, in pages-1.img */
	static const unsigned char real[] = {
		0x19, 0x43, 0x56, 0x54, 0x25, 0x40, 0x08, 0x56, 0x02, 0, 0, 0, 0x08, 0x01,
		0x08, 0, 0, 0, 0x08, 0x00, 0x10, 0x00, 0x20, 0x04, 0x28, 0x05,
	};
	struct kho_compose compose = { .store = store, .dir_fd = dir_fd };
	struct kho_compose_stats stats;
	unsigned char data[100];

	ck_assert_int_eq(kho_page_store_end(store, &err), 0);
	ck_assert_int_eq(kho_page_store_begin(store, &err), 0);
	ck_assert_int_eq(kho_page_store_open(store, kho_pages_image(159, KHO_PAGES_SHMEM), &err), 0);
	put(0, 5);
	ck_assert_int_eq(kho_page_store_end(store, &err), 0);
	ck_assert_int_eq(kho_compose(&compose, &stats, &err), 0);
	ck_assert_uint_eq(read_image("pagemap-shmem-159.img", data, sizeof(data)), sizeof(real));
	ck_assert_mem_eq(data, real, sizeof(real));
}
END_TEST

START_TEST(bad_images)
{
	const uint64_t vmas[][3] = { { 0x22, 0x201, 0 }, { 0x22, 0x201, 0 } };
	struct kho_image_vma *read;
	unsigned char data[200];
	size_t size, i, nr;

	write_mm(vmas, 2);
	size = read_image("mm-12.img", data, sizeof(data));
	for (i = 0; i < size; i++)
		ck_assert_int_eq(kho_image_parse_vmas(data, i, &read, &nr, &err), -EBADMSG);
	ck_assert_int_eq(kho_image_parse_vmas(data, size, &read, &nr, &err), 0);
	ck_assert_uint_eq(nr, 2);
	ck_assert(read[1].lazy && read[1].start == BASE + PAGE && read[1].end == BASE + 2 * PAGE);
	free(read);
	data[0] ^= 1;
	ck_assert_int_eq(kho_image_parse_vmas(data, size, &read, &nr, &err), -EBADMSG);
}
END_TEST

static struct kho_page_server *server;
static int criu;

static void serve(void)
{
	struct kho_page_server_config config = {
		.store = store, .work_fd = dir_fd, .images_fd = dir_fd,
	};
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	ck_assert_int_eq(kho_page_server_new(&config, &server, &err), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, KHO_LAZY_SOCKET);
	criu = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(criu, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(kho_page_server_process(server, &err), 1);
}

static void serve_end(void)
{
	if (criu >= 0)
		close(criu);
	kho_page_server_free(server);
}

static int say(const void *data, size_t size)
{
	ck_assert_int_eq(send(criu, data, size, 0), (ssize_t)size);
	return kho_page_server_process(server, &err);
}

static int send_fd(const void *data, size_t size)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.head), &criu, sizeof(criu));
	ck_assert_int_eq(sendmsg(criu, &msg, 0), (ssize_t)size);
	return kho_page_server_process(server, &err);
}

START_TEST(handing_over)
{
	int32_t zombie = -12, end = 0x52535446;
	struct kho_page_server_stats stats;

	serve();
	ck_assert_int_eq(say(&zombie, 4), 1);
	ck_assert_int_eq(say(&end, 1), 1);
	ck_assert_int_eq(say((char *)&end + 1, 3), 0);
	close(criu);
	criu = -1;
	ck_assert_int_eq(kho_page_server_process(server, &err), 0);
	kho_page_server_stats(server, &stats);
	ck_assert(stats.handed_over && stats.tasks == 0);
	serve_end();
	ck_assert_int_lt(faccessat(dir_fd, KHO_LAZY_SOCKET, F_OK, 0), 0);
}
END_TEST

START_TEST(criu_fails)
{
	serve();
	close(criu);
	criu = -1;
	ck_assert_int_eq(kho_page_server_process(server, &err), -EPIPE);
	ck_assert_int_eq(kho_page_server_process(server, &err), -EPIPE);
	serve_end();
}
END_TEST

START_TEST(hostile_words)
{
	int32_t pid = 12, other = 13, nothing = 0;

	serve();
	ck_assert_int_eq(say(&nothing, 4), -EBADMSG);
	serve_end();
	serve();
	ck_assert_int_eq(say(&pid, 4), 1);
	ck_assert_int_eq(say(&pid, 1), -EBADMSG);	/* no fd */
	serve_end();
	serve();
	ck_assert_int_eq(send_fd(&pid, 4), -EBADMSG);	/* an fd too early */
	serve_end();
	serve();
	ck_assert_int_eq(say(&other, 4), 1);
	ck_assert_int_eq(send_fd("", 1), -EBADMSG);	/* not in the store */
	serve_end();
	serve();
	ck_assert_int_eq(say(&pid, 4), 1);
	ck_assert_int_eq(send_fd("", 1), -ENOENT);	/* no image */
	serve_end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("page_serve");
	TCase *tc = tcase_create("page_serve");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, mappings_that_move);
	tcase_add_test(tc, lazy_or_not);
	tcase_add_test(tc, bytes_of_criu);
	tcase_add_test(tc, bad_images);
	tcase_add_test(tc, handing_over);
	tcase_add_test(tc, criu_fails);
	tcase_add_test(tc, hostile_words);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
