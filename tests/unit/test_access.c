// SPDX-License-Identifier: GPL-2.0-only
/* Who calls, as the kernel says, and what they may do. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/access.h"
#include "base/bits.h"
#include "tests/unit/run.h"

#define OPS	700
#define OTHERS	701

static const struct kho_access_policy closed;
static const struct kho_access_policy open_to_ops = {
	.has_group = true, .group = OPS, .name = "ops",
};
static gid_t groups[] = { 5, OTHERS, OPS, 9 };

static const struct kho_peer root = { .uid = 0, .gid = 0 };
static const struct kho_peer stranger = { .uid = 1000, .gid = 1000 };
static const struct kho_peer primary = { .uid = 1001, .gid = OPS };
static const struct kho_peer member = {
	.uid = 1002, .gid = 1002, .groups = groups, .nr_groups = KHO_ARRAY_SIZE(groups),
};
/* as member, but for the one group */
static const struct kho_peer near_member = {
	.uid = 1002, .gid = 1002, .groups = groups, .nr_groups = 2,
};
/* the group of root is no root */
static const struct kho_peer wheel = { .uid = 1003, .gid = 0 };

START_TEST(table)
{
	static const struct {
		const struct kho_access_policy *policy;
		const struct kho_peer *peer;
		int read, others;
	} cases[] = {
		{ &closed, &root, 0, 0 },
		{ &closed, &stranger, -EACCES, -EACCES },
		{ &closed, &member, -EACCES, -EACCES },
		{ &closed, &wheel, -EACCES, -EACCES },
		{ &open_to_ops, &root, 0, 0 },
		{ &open_to_ops, &stranger, -EACCES, -EACCES },
		{ &open_to_ops, &near_member, -EACCES, -EACCES },
		{ &open_to_ops, &wheel, -EACCES, -EACCES },
		{ &open_to_ops, &primary, 0, -EACCES },
		{ &open_to_ops, &member, 0, -EACCES },
	};

	for (size_t i = 0; i < KHO_ARRAY_SIZE(cases); i++) {
		struct kho_err err = {};

		ck_assert_int_eq(kho_access_check(cases[i].policy, cases[i].peer, KHO_ACCESS_READ,
						  &err), cases[i].read);
		ck_assert_int_eq(kho_access_check(cases[i].policy, cases[i].peer, KHO_ACCESS_ROOT,
						  &err), cases[i].others);
		ck_assert_int_eq(kho_access_check(cases[i].policy, cases[i].peer, KHO_ACCESS_CHANGE,
						  &err), cases[i].others);
		/* cause and remedy */
		if (cases[i].others)
			ck_assert_ptr_nonnull(strstr(err.msg, "; run it as"));
	}
}
END_TEST

START_TEST(messages_name_the_way)
{
	struct kho_err err;

	kho_access_check(&closed, &stranger, KHO_ACCESS_READ, &err);
	ck_assert_ptr_nonnull(strstr(err.msg, "ReadGroup="));
	kho_access_check(&open_to_ops, &stranger, KHO_ACCESS_READ, &err);
	ck_assert_ptr_nonnull(strstr(err.msg, "group ops"));
}
END_TEST

START_TEST(peer_of_a_socket)
{
	struct kho_peer peer;
	struct kho_err err;
	gid_t own[1024];
	int pair[2], nr = getgroups(1024, own);
	char text[KHO_PEER_TEXT], want[KHO_PEER_TEXT];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(kho_peer_read(pair[0], &peer, &err), 0);
	ck_assert_uint_eq(peer.uid, getuid());
	ck_assert_uint_eq(peer.gid, getgid());
	ck_assert_int_eq(peer.pid, getpid());
	ck_assert_str_eq(peer.comm, "test_access");
	ck_assert_uint_eq(peer.nr_groups, (size_t)nr);
	ck_assert_int_eq(memcmp(peer.groups, own, (size_t)nr * sizeof(gid_t)), 0);
	kho_peer_format(&peer, text);
	snprintf(want, sizeof(want), "uid %u, test_access (pid %d)", getuid(), getpid());
	ck_assert_str_eq(text, want);
	kho_peer_done(&peer);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(no_socket)
{
	struct kho_peer peer;
	struct kho_err err = {};

	ck_assert_int_lt(kho_peer_read(-1, &peer, &err), 0);
	ck_assert_int_lt(err.code, 0);
	/* nobody's rights */
	ck_assert_int_eq(kho_access_check(&open_to_ops, &peer, KHO_ACCESS_READ, &err), -EACCES);
	kho_peer_done(&peer);
}
END_TEST

/* More groups than there's room for at first. Only root can have them, in a child of Check. */
START_TEST(many_groups)
{
	static gid_t many[200];
	struct kho_peer peer;
	struct kho_err err;
	int pair[2];

	for (unsigned int i = 0; i < KHO_ARRAY_SIZE(many); i++)
		many[i] = 1000 + i;
	if (getuid() || setgroups(KHO_ARRAY_SIZE(many), many) < 0)
		return;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(kho_peer_read(pair[0], &peer, &err), 0);
	ck_assert_uint_eq(peer.nr_groups, KHO_ARRAY_SIZE(many));
	ck_assert_uint_eq(peer.groups[199], 1199);
	kho_peer_done(&peer);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

static Suite *access_suite(void)
{
	Suite *suite = suite_create("access");
	TCase *tc = tcase_create("access");

	tcase_add_test(tc, table);
	tcase_add_test(tc, messages_name_the_way);
	tcase_add_test(tc, peer_of_a_socket);
	tcase_add_test(tc, no_socket);
	tcase_add_test(tc, many_groups);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(access_suite());
}
