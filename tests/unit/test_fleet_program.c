// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-fleet itself, with a real etcd, a real configuration and image, and a kho-agent that's
 * played: it answers Status, History, Start and Abort over Varlink. The first upgrade goes well,
 * though the daemon is killed in the middle of it; one that an operator begins by hand afterwards
 * is left alone; the next one fails, and halts its rollout.
 */
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <systemd/sd-varlink.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "fleet/control.h"
#include "fleet/json.h"
#include "fleet/node.h"
#include "image/dir.h"
#include "image/store.h"
#include "system/proc.h"
#include "tests/unit/fake_tree.h"
#include "tests/unit/real_etcd.h"
#include "tests/unit/run.h"

#define TIME_LIMIT	50
#define UPGRADE_MS	1500u
#define WAIT_SEC	20
#define RUN_DIR		"/run/kho-agent"

static struct real_etcd real;
static struct kho_etcd_client *client;
static struct kho_etcd etcd;
static struct fake_tree tree;
static struct kho_err err;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- kho-agent, as it's seen ---- */

static struct {
	unsigned int begun;
	uint64_t began_ms;		/* 0: none yet */
	char image[256];
} agent;

#define BUDGET_MS	1000u
#define BLACKOUT_MS	250u		/* of its first upgrade */
#define LOOKS		2		/* of the daemon; what it decides is done before the second */

/* What the test tells the agent, and is told by it; shared with its process. */
static struct {
	uint64_t by_hand_ms;		/* when an operator began one, which is under way; 0: none */
	unsigned int looks;		/* how often it was asked what's under way meanwhile */
	unsigned int aborts;
} *shared;

static bool is_upgrading(void)
{
	return agent.began_ms && now_ms() < agent.began_ms + UPGRADE_MS;
}

static int on_status(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
		     void *userdata)
{
	(void)parameters;
	(void)flags;
	(void)userdata;
	if (!is_upgrading() && !shared->by_hand_ms)
		return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_STRING("phase", "idle"));
	shared->looks += !!shared->by_hand_ms;
	return sd_varlink_replybo(
		link, SD_JSON_BUILD_PAIR_STRING("phase", "sync"),
		SD_JSON_BUILD_PAIR("upgrade", SD_JSON_BUILD_OBJECT(
			SD_JSON_BUILD_PAIR_STRING("state", "move"),
			SD_JSON_BUILD_PAIR_STRING("image", agent.image),
			SD_JSON_BUILD_PAIR_UNSIGNED("beganMs", shared->by_hand_ms ?: agent.began_ms))));
}

/* The first one goes well. */
static int on_history(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
		      void *userdata)
{
	(void)parameters;
	(void)flags;
	(void)userdata;
	if (!agent.began_ms || is_upgrading())
		return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_EMPTY_ARRAY("upgrades"));
	return sd_varlink_replybo(
		link, SD_JSON_BUILD_PAIR("upgrades", SD_JSON_BUILD_ARRAY(SD_JSON_BUILD_OBJECT(
			SD_JSON_BUILD_PAIR_STRING("id", "1b4e28ba"),
			SD_JSON_BUILD_PAIR_STRING("result", agent.begun == 1 ? "committed" :
						  "the new kernel panicked: really"),
			SD_JSON_BUILD_PAIR_UNSIGNED("began_ms", agent.began_ms)))));
}

static int on_show(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
		   void *userdata)
{
	char id[32] = "";

	(void)flags;
	(void)userdata;
	kho_json_text(parameters, KHO_NEED("id"), id, sizeof(id), NULL);
	if (strcmp(id, "1b4e28ba") != 0)
		return sd_varlink_error_invalid_parameter_name(link, "id");
	return sd_varlink_replybo(
		link, SD_JSON_BUILD_PAIR("upgrade", SD_JSON_BUILD_OBJECT(
			SD_JSON_BUILD_PAIR("move", SD_JSON_BUILD_OBJECT(
				SD_JSON_BUILD_PAIR("workloads", SD_JSON_BUILD_ARRAY(
					SD_JSON_BUILD_OBJECT(
						SD_JSON_BUILD_PAIR_STRING("name", "db"),
						SD_JSON_BUILD_PAIR_UNSIGNED("frozen_ms", 90)),
					SD_JSON_BUILD_OBJECT(
						SD_JSON_BUILD_PAIR_STRING("name", "web"),
						SD_JSON_BUILD_PAIR_UNSIGNED("frozen_ms", 240),
						SD_JSON_BUILD_PAIR_UNSIGNED("frozen_probe_ms",
									    BLACKOUT_MS)))))))));
}

static int on_start(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
		    void *userdata)
{
	uint64_t limit = 0;

	(void)flags;
	(void)userdata;
	kho_json_number(parameters, KHO_MAY("maxFrozenMs"), &limit, NULL);
	/* the first rollout has a budget, which the agent is to keep */
	if (limit != (agent.begun ? 0 : BUDGET_MS))
		return sd_varlink_error_invalid_parameter_name(link, "maxFrozenMs");
	if (is_upgrading())
		return sd_varlink_errorbo(link, KHO_API_ERROR, SD_JSON_BUILD_PAIR_UNSIGNED("code", 16),
					  SD_JSON_BUILD_PAIR_STRING("message", "one is under way"));
	agent.begun++;
	agent.began_ms = now_ms();
	kho_json_text(parameters, KHO_MAY("image"), agent.image, sizeof(agent.image), NULL);
	return sd_varlink_reply(link, NULL);
}

static int on_abort(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
		    void *userdata)
{
	(void)parameters;
	(void)flags;
	(void)userdata;
	shared->aborts++;
	return sd_varlink_reply(link, NULL);
}

static void serve(void)
{
	sd_varlink_server *server = NULL;
	sd_event *event = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sd_event_default(&event) < 0 || sd_varlink_server_new(&server, 0) < 0 ||
	    sd_varlink_server_bind_method_many(server, KHO_API_METHOD("Status"), on_status,
					       KHO_API_METHOD("History"), on_history,
					       KHO_API_METHOD("Show"), on_show,
					       KHO_API_METHOD("Start"), on_start,
					       KHO_API_METHOD("Abort"), on_abort) < 0 ||
	    sd_varlink_server_listen_address(server, KHO_API_SOCKET, 0600) < 0 ||
	    sd_varlink_server_attach_event(server, event, 0) < 0)
		_exit(1);
	sd_event_loop(event);
	_exit(1);
}

static pid_t start_agent(void)
{
	pid_t pid = fork();

	if (!pid)
		serve();
	return pid;
}

/* ---- kho-fleet ---- */

#define PATH	256

static void find_program(char path[PATH])
{
	ssize_t size = readlink("/proc/self/exe", path, PATH - 1);
	char *folder;

	ck_assert_int_gt(size, 0);
	path[size] = '\0';
	/* build/tests/test_... */
	folder = strstr(path, "/tests/test_");
	ck_assert_ptr_nonnull(folder);
	snprintf(folder, (size_t)(path + PATH - folder), "/bin/kho-fleet");
}

static pid_t start_daemon(void)
{
	char path[PATH];
	pid_t pid;

	find_program(path);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(path, path, "run", NULL);
		_exit(127);
	}
	return pid;
}

/* What an operator is shown. */
static void expect_shown(const char *text)
{
	char path[PATH];
	const char *const argv[] = { path, "status", NULL };
	const struct kho_proc_spec proc = { .argv = argv, .timeout_ms = WAIT_SEC * 1000 };
	struct kho_proc_result result = {};

	find_program(path);
	ck_assert_msg(kho_proc_run(&proc, &result, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(result.exit_code, 0);
	ck_assert_msg(strstr(result.out, text), "\"%s\" isn't in: %s", text, result.out);
	kho_proc_result_done(&result);
}

static void end(pid_t pid, int signal)
{
	kill(pid, signal);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* A target image; *@ret: its digest. */
static void make_image(const char *name, char digest[KHO_SHA256_TEXT])
{
	static const char *const names[] = { "vmlinuz", "initramfs.img", "cmdline" };
	struct kho_manifest manifest = { .created = "now", .created_by = "test", .compression = "none",
					 .release = "7.3.4" };
	struct kho_image_dir dir = { .fd = -EBADF };
	struct kho_sink_memory text;
	char path[256];

	snprintf(manifest.name, sizeof(manifest.name), "%s", name);
	for (size_t i = 0; i < KHO_IMAGE_NR_FILES; i++) {
		manifest.files[i].size = 2;
		ck_assert_int_eq(kho_sha256("x\n", 2, manifest.files[i].sha256, &err), 0);
		snprintf(path, sizeof(path), "images/%s/%s", name, names[i]);
		fake_put(&tree, path, "x\n");
	}
	kho_sink_memory_init(&text, KHO_MANIFEST_MAX);
	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), 0);
	snprintf(path, sizeof(path), "images/%s/manifest", name);
	fake_put_data(&tree, path, text.data, text.size);
	kho_sink_memory_done(&text);
	snprintf(path, sizeof(path), "%s/images/%s", tree.dir, name);
	ck_assert_msg(kho_image_dir_open(path, &dir, &err) == 0, "%s", err.msg);
	kho_sha256_format(dir.digest, digest);
	kho_image_dir_done(&dir);
}

/* @budget_ms: 0: none */
static void begin_rollout(const char *id, const char *image, const char *digest, unsigned int budget_ms)
{
	struct kho_control control = { etcd, "default", "test", NULL, now_ms() };
	char document[1024], budget[64] = "";
	bool begun = false;

	if (budget_ms)
		snprintf(budget, sizeof(budget), ",\"blackout_ms\":%u", budget_ms);
	snprintf(document, sizeof(document), "{\"schema\":1,\"id\":\"%s\",\"image\":\"%s/images/%s\","
		 "\"digest\":\"%s\"%s}", id, tree.dir, image, digest, budget);
	ck_assert_msg(kho_control_start(&control, document, false, &begun, &err) >= 0, "%s", err.msg);
	ck_assert(begun);
}

/* Until the record under @key has @text in it. */
static void wait_for(const char *key, const char *text)
{
	time_t give_up = time(NULL) + WAIT_SEC;

	for (;;) {
		struct kho_etcd_kvs kvs = {};
		bool found;

		ck_assert_int_eq(etcd.ops->range(etcd.ctx, key, false, &kvs, &err), 0);
		found = kvs.nr && strstr(kvs.of[0].value, text);
		ck_assert_msg(found || time(NULL) < give_up, "%s never has %s: %s", key, text,
			      kvs.nr ? kvs.of[0].value : "none");
		kho_etcd_kvs_done(&kvs);
		if (found)
			return;
		poll(NULL, 0, 50);
	}
}

static void abort_rollout(void)
{
	struct kho_control control = { etcd, "default", "test", "wrong", now_ms() };

	ck_assert_int_eq(kho_control_set(&control, KHO_ROLLOUT_ABORTED, &err), 0);
}

/* A minute after the fleet's, which is over: no slot is needed for it, and nobody ends it. */
static void upgrade_by_hand(void)
{
	time_t give_up = time(NULL) + WAIT_SEC;

	shared->by_hand_ms = now_ms() + 60000;
	while (shared->looks < LOOKS) {
		ck_assert_msg(time(NULL) < give_up, "the daemon doesn't look at it");
		poll(NULL, 0, 50);
	}
	ck_assert_uint_eq(shared->aborts, 0);
	shared->by_hand_ms = 0;
}

static void configure(void)
{
	FILE *f;

	mkdir(RUN_DIR, 0755);
	f = fopen(RUN_DIR "/kho-agent.conf", "we");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "[Fleet]\nEndpoints=%s\nName=m1\nLabels=role=web\nLeaseSec=30\n", real.endpoints);
	fclose(f);
}

START_TEST(one_machine)
{
	char good[KHO_SHA256_TEXT], bad[KHO_SHA256_TEXT];
	pid_t daemon, played;

	umask(022);
	fake_tree_init(&tree);
	make_image("good", good);
	make_image("bad", bad);
	real_etcd_start(&real, 1, false);
	client = real_etcd_client(&real, 4000);
	etcd = kho_etcd_client_ops(client);
	real_etcd_wait(client);
	configure();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	played = start_agent();
	daemon = start_daemon();
	wait_for("kho/fleet/v1/default/nodes/m1", "\"role\":\"web\"");
	/* its digest is another one's: nothing begins, and it says why */
	begin_rollout("good", "good", bad, 0);
	wait_for("kho/fleet/v1/default/nodes/m1", "\"reason\":\"ImageMissing\"");
	abort_rollout();
	begin_rollout("bad", "bad", bad, BUDGET_MS);
	wait_for("kho/fleet/v1/default/nodes/m1", "\"state\":\"upgrading\"");
	wait_for("com.coreos.airlock/groups/default/v1/semaphore",
		 "{\"total_slots\":1,\"holders\":[\"m1\"]}");
	/* it's killed, and goes on where it was */
	end(daemon, SIGKILL);
	daemon = start_daemon();
	wait_for("kho/fleet/v1/default/nodes/m1", "\"reason\":\"Upgraded\"");
	wait_for("kho/fleet/v1/default/nodes/m1", "\"blackout_ms\":250");
	wait_for("kho/fleet/v1/default/rollout", "\"state\":\"done\"");
	wait_for("com.coreos.airlock/groups/default/v1/semaphore", "\"holders\":[]");
	expect_shown("  blackout budget 1000 ms, the longest so far 250 ms on m1\n");
	expect_shown("canary                      1      1      0      0  through\n"
		     "all                         0      0      0      0  empty\n");
	upgrade_by_hand();
	/* what the last one took is more than the next one allows */
	begin_rollout("tight", "good", good, BLACKOUT_MS - 1);
	wait_for("kho/fleet/v1/default/nodes/m1", "\"reason\":\"OverBudget\"");
	wait_for("kho/fleet/v1/default/nodes/m1", "web stood still for 250 ms, and the rollout allows 249");
	abort_rollout();
	/* the next one fails */
	begin_rollout("good-again", "good", good, 0);
	wait_for("kho/fleet/v1/default/nodes/m1", "\"message\":\"the new kernel panicked: really\"");
	wait_for("kho/fleet/v1/default/rollout", "\"message\":\"1 failed: m1 (UpgradeFailed)\"");
	wait_for("com.coreos.airlock/groups/default/v1/semaphore", "\"holders\":[]");
	end(daemon, SIGTERM);
	end(played, SIGKILL);
	kho_etcd_client_free(client);
	real_etcd_stop(&real);
	fake_tree_done(&tree);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kho-fleet");
	TCase *tc = tcase_create("program");

	tcase_set_timeout(tc, TIME_LIMIT);
	tcase_add_test(tc, one_machine);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
