// SPDX-License-Identifier: GPL-2.0-only
/*
 * Against a real etcd-server: every call, certificates, users; one member of three killed, or
 * hanging, or without the others; and a machine of a fleet that finishes without a quorum and
 * begins nothing.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/etcd_json.h"
#include "fleet/keys.h"
#include "fleet/member.h"
#include "tests/unit/calm_machine.h"
#include "tests/unit/real_etcd.h"
#include "tests/unit/run.h"

#define DIGEST		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TIME_LIMIT	40
#define CALL_MS		2500u

static struct real_etcd real;
static struct kho_etcd_client *client;
static struct kho_etcd etcd;
static struct kho_err err;

static void begin(int nr, bool tls)
{
	real_etcd_start(&real, nr, tls);
	client = real_etcd_client(&real, CALL_MS);
	etcd = kho_etcd_client_ops(client);
	real_etcd_wait(client);
}

static void end(void)
{
	kho_etcd_client_free(client);
	real_etcd_stop(&real);
}

static bool put(const char *key, const char *value, uint64_t revision, uint64_t lease)
{
	struct kho_etcd_txn txn = { .nr_compares = 1, .nr_ops = 1 };
	uint64_t now;
	bool made;

	snprintf(txn.compares[0].key, KHO_ETCD_KEY, "%s", key);
	txn.compares[0].revision = revision;
	snprintf(txn.ops[0].key, KHO_ETCD_KEY, "%s", key);
	txn.ops[0].value = value;
	txn.ops[0].lease = lease;
	ck_assert_msg(etcd.ops->txn(etcd.ctx, &txn, &made, &now, &err) >= 0, "%s", err.msg);
	return made;
}

static struct kho_etcd_kvs get(const char *key, bool prefix)
{
	struct kho_etcd_kvs kvs;

	ck_assert_msg(etcd.ops->range(etcd.ctx, key, prefix, &kvs, &err) >= 0, "%s", err.msg);
	return kvs;
}

static void expect(const char *key, const char *value)
{
	struct kho_etcd_kvs kvs = get(key, false);

	ck_assert_uint_eq(kvs.nr, value ? 1 : 0);
	if (value)
		ck_assert_str_eq(kvs.of[0].value, value);
	kho_etcd_kvs_done(&kvs);
}

/* ---- every call ---- */

static void check_compares(uint64_t revision)
{
	struct kho_etcd_txn txn = { .nr_compares = 2, .nr_ops = 1,
		.compares = { { .key = "a/", .prefix = true, .what = KHO_ETCD_NOT_LATER,
				.revision = revision },
			      { .key = "a/1", .what = KHO_ETCD_EXISTS } },
		.ops = { { .key = "a/3", .value = "three" } } };
	uint64_t now;
	bool made;

	ck_assert_int_eq(etcd.ops->txn(etcd.ctx, &txn, &made, &now, &err), 0);
	ck_assert(made);
	ck_assert_uint_eq(now, revision + 1);
	/* what it has put is later */
	ck_assert_int_eq(etcd.ops->txn(etcd.ctx, &txn, &made, &now, &err), 0);
	ck_assert(!made);
	txn.compares[0].revision = now;
	snprintf(txn.compares[1].key, KHO_ETCD_KEY, "a/none");
	ck_assert_int_eq(etcd.ops->txn(etcd.ctx, &txn, &made, &now, &err), 0);
	ck_assert(!made);
	/* none of a prefix is none that's later */
	snprintf(txn.compares[0].key, KHO_ETCD_KEY, "empty/");
	txn.nr_compares = 1;
	ck_assert_int_eq(etcd.ops->txn(etcd.ctx, &txn, &made, &now, &err), 0);
	ck_assert(made);
}

static void check_watch(uint64_t from)
{
	struct kho_etcd_kvs kvs = {};
	unsigned int seen = 0;

	ck_assert_int_eq(etcd.ops->watch(etcd.ctx, "a/", from, &err), 0);
	put("b/1", "elsewhere", 0, 0);
	while (seen < 4) {
		ck_assert_int_eq(etcd.ops->watch_next(etcd.ctx, 5000, &kvs, &err), 0);
		for (size_t i = 0; i < kvs.nr; i++, seen++)
			ck_assert_int_eq(strncmp(kvs.of[i].key, "a/", 2), 0);
		if (seen == 4)
			ck_assert_ptr_null(kvs.of[kvs.nr - 1].value);
		kho_etcd_kvs_done(&kvs);
		/* those before, then one that's made while it watches */
		if (seen == 3)
			put("a/1", NULL, from, 0);
	}
	ck_assert_int_eq(etcd.ops->watch_next(etcd.ctx, 50, &kvs, &err), 0);
	ck_assert_uint_eq(kvs.nr, 0);
}

START_TEST(calls)
{
	struct kho_etcd_kvs kvs;
	uint64_t lease, from;

	begin(1, false);
	ck_assert(put("a/1", "one \"\n\xc3\xa4", 0, 0));
	ck_assert(!put("a/1", "one", 0, 0));
	kvs = get("a/1", false);
	ck_assert_str_eq(kvs.of[0].value, "one \"\n\xc3\xa4");
	from = kvs.of[0].revision;
	kho_etcd_kvs_done(&kvs);
	check_compares(from);
	kvs = get("a/", true);
	ck_assert_uint_eq(kvs.nr, 2);
	kho_etcd_kvs_done(&kvs);
	check_watch(from);
	ck_assert_int_eq(etcd.ops->grant(etcd.ctx, 30, &lease, &err), 0);
	ck_assert(put("l", "leased", 0, lease));
	ck_assert_int_eq(etcd.ops->keep(etcd.ctx, lease, &err), 0);
	expect("l", "leased");
	ck_assert_int_eq(etcd.ops->revoke(etcd.ctx, lease, &err), 0);
	expect("l", NULL);
	ck_assert_int_eq(etcd.ops->keep(etcd.ctx, lease, &err), -ENOKEY);
	end();
}
END_TEST

/* ---- who may ---- */

static int ask_with(const char *ca, const char *certificate, const char *key)
{
	char texts[3][128];
	struct kho_etcd_spec spec = { .endpoints = real.endpoints, .timeout_ms = CALL_MS };
	struct kho_etcd_client *other;
	struct kho_etcd_kvs kvs = {};
	int r;

	snprintf(texts[0], sizeof(texts[0]), "%s/%s", real.folder, ca);
	snprintf(texts[1], sizeof(texts[1]), "%s/%s", real.folder, certificate);
	snprintf(texts[2], sizeof(texts[2]), "%s/%s", real.folder, key);
	spec.tls.ca = texts[0];
	if (*certificate) {
		spec.tls.certificate = texts[1];
		spec.tls.key = texts[2];
	}
	ck_assert_int_eq(kho_etcd_client_new(&spec, &other, &err), 0);
	r = kho_etcd_client_ops(other).ops->range(other, "x", false, &kvs, &err);
	kho_etcd_kvs_done(&kvs);
	kho_etcd_client_free(other);
	return r;
}

START_TEST(certificates)
{
	begin(1, true);
	ck_assert(put("a", "b", 0, 0));
	ck_assert_int_eq(ask_with("ca.pem", "client.pem", "client.key"), 0);
	/* a server of another authority; no certificate of ours; one of another authority */
	ck_assert_int_eq(ask_with("other.pem", "client.pem", "client.key"), -EACCES);
	ck_assert_int_lt(ask_with("ca.pem", "", ""), 0);
	ck_assert_int_lt(ask_with("ca.pem", "other.pem", "other.key"), 0);
	end();
}
END_TEST

/* By etcd's own API: a user root, and one that may use what fleets use. */
static void administer(const char *path, const char *body)
{
	struct kho_web *http;
	struct kho_web_answer answer = {};
	char url[320];
	struct kho_web_request request = { .url = url, .body = body, .timeout_ms = CALL_MS,
					    .max = 65536 };

	snprintf(url, sizeof(url), "%s/v3/auth/%s", real.endpoints, path);
	ck_assert_int_eq(kho_web_new(NULL, &http, &err), 0);
	ck_assert_int_eq(kho_web_call(http, &request, &answer, &err), 0);
	ck_assert_msg(answer.status == 200, "%s: %s", path, answer.body);
	free(answer.body);
	kho_web_free(http);
}

static int ask_as(const char *user, const char *password, const char *key)
{
	struct kho_etcd_spec spec = { .endpoints = real.endpoints, .user = user, .password = password,
				      .timeout_ms = CALL_MS };
	struct kho_etcd_client *other;
	struct kho_etcd_kvs kvs = {};
	int r;

	ck_assert_int_eq(kho_etcd_client_new(&spec, &other, &err), 0);
	r = kho_etcd_client_ops(other).ops->range(other, key, false, &kvs, &err);
	kho_etcd_kvs_done(&kvs);
	kho_etcd_client_free(other);
	return r;
}

START_TEST(users)
{
	begin(1, false);
	administer("user/add", "{\"name\":\"root\",\"password\":\"r\"}");
	administer("user/grant", "{\"user\":\"root\",\"role\":\"root\"}");
	administer("role/add", "{\"name\":\"fleet\"}");
	/* kho/ to kho0 */
	administer("role/grant", "{\"name\":\"fleet\",\"perm\":{\"permType\":\"READWRITE\","
		   "\"key\":\"a2hvLw==\",\"range_end\":\"a2hvMA==\"}}");
	administer("user/add", "{\"name\":\"fleet\",\"password\":\"f\"}");
	administer("user/grant", "{\"user\":\"fleet\",\"role\":\"fleet\"}");
	administer("enable", "{}");
	ck_assert_int_eq(ask_as("fleet", "f", "kho/x"), 0);
	ck_assert_int_eq(ask_as("fleet", "f", "other"), -EACCES);
	ck_assert_int_eq(ask_as("fleet", "wrong", "kho/x"), -EACCES);
	ck_assert_int_eq(ask_as(NULL, NULL, "kho/x"), -EACCES);
	end();
}
END_TEST

/* ---- members of it are lost ---- */

static struct {
	enum kho_fleet_machine machine;
	enum kho_fleet_result result;
	unsigned int begun;
	char digest[KHO_FLEET_DIGEST];
} machine;

static int look(void *ctx, const struct kho_rollout_spec *spec, uint64_t since_ms,
		struct kho_fleet_facts *facts, struct kho_err *e)
{
	(void)ctx;
	(void)spec;
	(void)since_ms;
	(void)e;
	facts->machine = machine.machine;
	facts->result = machine.result;
	return 0;
}

static int start(void *ctx, const struct kho_rollout_spec *spec, struct kho_err *e)
{
	(void)ctx;
	(void)spec;
	(void)e;
	machine.begun++;
	machine.machine = KHO_MACHINE_UPGRADING;
	return 0;
}

static const struct kho_machine_ops machine_ops = {
	.now_ms = calm_now_ms, .mono_ms = calm_mono_ms, .look = look, .start = start,
	.abort = calm_abort, .check = calm_check,
};

static void put_rollout(const char *id)
{
	struct kho_rollout rollout = { .owner = "test" };
	char spec[512], *text;
	struct kho_etcd_kvs kvs;

	snprintf(spec, sizeof(spec), "{\"schema\":1,\"id\":\"%s\",\"image\":\"/i\",\"digest\":\"" DIGEST
		 "\"}", id);
	ck_assert_int_eq(kho_rollout_format(&rollout, spec, &text, &err), 0);
	kvs = get("kho/fleet/v1/default/rollout", false);
	ck_assert(put("kho/fleet/v1/default/rollout", text, kvs.nr ? kvs.of[0].revision : 0, 0));
	kho_etcd_kvs_done(&kvs);
	free(text);
}

static bool is_done(const struct kho_member *member, const char *rollout)
{
	const struct kho_fleet_view *view = &member->cache.view;

	return view->has_rollout && strcmp(view->rollout.spec.id, rollout) == 0 &&
	       view->rollout.state == KHO_ROLLOUT_DONE;
}

/* Steps until its last decision is for @reason, or, if that's NULL, @rollout is done. */
static void step_until(struct kho_member *member, const char *reason, const char *rollout)
{
	uint64_t give_up = calm_mono_ms(NULL) + 20000;
	uint32_t wait_ms;
	int r;

	do {
		ck_assert_msg(calm_mono_ms(NULL) < give_up, "never %s; last \"%s\", %s", reason ?: rollout,
			      member->last.reason ?: "", err.msg);
		r = kho_member_step(member, &wait_ms, &err);
		if (r >= 0 && (reason ? strcmp(member->last.reason, reason) == 0 :
			       is_done(member, rollout)))
			return;
		kho_member_wait(member, 200);
	} while (true);
}

/* Three members, of which the client is at the first one. */
static void begin_at_first(void)
{
	char *all, *space;

	begin(3, false);
	kho_etcd_client_free(client);
	all = strdup(real.endpoints);
	space = strchr(real.endpoints, ' ');
	ck_assert(all && space);
	/* it may not have been the first that was ready */
	*space = '\0';
	client = real_etcd_client(&real, CALL_MS);
	real_etcd_wait(client);
	kho_etcd_client_free(client);
	snprintf(real.endpoints, sizeof(real.endpoints), "%s", all);
	free(all);
	client = real_etcd_client(&real, CALL_MS);
	etcd = kho_etcd_client_ops(client);
}

/* Until the watch says that all has to be read anew. */
static void wait_for_stale(uint32_t limit_ms)
{
	uint64_t give_up = calm_mono_ms(NULL) + limit_ms;
	struct kho_etcd_kvs kvs;
	int r;

	do {
		ck_assert_msg(calm_mono_ms(NULL) < give_up, "the watch goes on, though nothing comes by it");
		r = etcd.ops->watch_next(etcd.ctx, 100, &kvs, &err);
		if (r >= 0)
			kho_etcd_kvs_done(&kvs);
	} while (r >= 0);
	ck_assert_int_eq(r, -ESTALE);
}

/* The member that's watched at hangs: calls go to another one, and the watch does. */
START_TEST(hanging_member)
{
	struct kho_etcd_kvs kvs;

	begin_at_first();
	ck_assert_int_eq(etcd.ops->watch(etcd.ctx, "a/", 1, &err), 0);
	ck_assert(put("a/1", "one", 0, 0));
	do
		ck_assert_int_eq(etcd.ops->watch_next(etcd.ctx, 5000, &kvs, &err), 0);
	while (!kvs.nr);
	kho_etcd_kvs_done(&kvs);
	ck_assert_int_eq(kill(real.pids[0], SIGSTOP), 0);
	real_etcd_wait(client);
	wait_for_stale(100);
	kill(real.pids[0], SIGCONT);
	end();
}
END_TEST

/* It's there, but without the others, and asked nothing: it ends the watch itself. */
START_TEST(lonely_member)
{
	struct kho_etcd_kvs kvs;

	begin_at_first();
	ck_assert(put("a/1", "one", 0, 0));
	ck_assert_int_eq(etcd.ops->watch(etcd.ctx, "a/", 1, &err), 0);
	do
		ck_assert_int_eq(etcd.ops->watch_next(etcd.ctx, 5000, &kvs, &err), 0);
	while (!kvs.nr);
	kho_etcd_kvs_done(&kvs);
	real_etcd_kill(&real, 1);
	real_etcd_kill(&real, 2);
	wait_for_stale(15000);
	end();
}
END_TEST

static void new_member(struct kho_member *member)
{
	struct kho_member_spec spec = { .id = "m1", .group = "default", .boot = "boot-1",
					.release = "6.12", .ttl_sec = 60 };

	memset(member, 0, sizeof(*member));
	ck_assert_int_eq(kho_member_init(member, &spec, etcd, &err), 0);
	member->machine = &machine_ops;
}

START_TEST(quorum)
{
	static struct kho_member member;
	uint32_t wait_ms;

	begin(3, false);
	put_rollout("first");
	new_member(&member);
	step_until(&member, "Upgrading", NULL);
	ck_assert_uint_eq(machine.begun, 1);
	/* one member less, the one that answers: it goes on */
	real_etcd_kill(&real, 0);
	/* the others may have to elect one of them first */
	real_etcd_wait(client);
	put("still", "there", 0, 0);
	step_until(&member, "Upgrading", NULL);
	/* no quorum: what's under way finishes, and can't be told yet */
	real_etcd_kill(&real, 1);
	machine.machine = KHO_MACHINE_IDLE;
	machine.result = KHO_FLEET_RESULT_DONE;
	for (int i = 0; i < 2; i++)
		ck_assert_int_lt(kho_member_step(&member, &wait_ms, &err), 0);
	/* nor does a daemon that's started now begin anything */
	kho_member_done(&member);
	new_member(&member);
	ck_assert_int_lt(kho_member_step(&member, &wait_ms, &err), 0);
	ck_assert_uint_eq(machine.begun, 1);
	/* there's one again */
	real_etcd_restart(&real, 1);
	real_etcd_wait(client);
	step_until(&member, NULL, "first");
	expect("kho/fleet/v1/default/slots/m1", NULL);
	expect("com.coreos.airlock/groups/default/v1/semaphore", "{\"total_slots\":1,\"holders\":[]}");
	/* the next one has nothing to do: the image is there already */
	put_rollout("second");
	step_until(&member, NULL, "second");
	ck_assert_uint_eq(machine.begun, 1);
	kho_member_leave(&member);
	expect("kho/fleet/v1/default/live/m1", NULL);
	kho_member_done(&member);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("a real etcd");
	TCase *tc = tcase_create("server");

	tcase_set_timeout(tc, TIME_LIMIT);
	tcase_add_test(tc, calls);
	tcase_add_test(tc, certificates);
	tcase_add_test(tc, users);
	tcase_add_test(tc, hanging_member);
	tcase_add_test(tc, lonely_member);
	tcase_add_test(tc, quorum);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
