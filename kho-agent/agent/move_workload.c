// SPDX-License-Identifier: GPL-2.0-only
/*
 * A workload that leaves: what the old side does for it, step by step.
 *
 *	let-go ---> freeze ---> dump ..................... discard
 *	                          |  CRIU waits in post-dump  |
 *	                          |  from here ... to here    yes: tasks are killed
 *	                          +--- undone: no ---> thaw: they run on where they stood
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/move.h"
#include "base/file.h"
#include "migrate/criu/criu.h"
#include "migrate/restore/restore.h"
#include "migrate/workload/carry.h"
#include "migrate/workload/unit.h"

#define FREEZE_MS	2000
#define END_MS		5000
#define IMAGES_DIR	KHO_RUN_DIR "/dump"
#define IMAGES_LIMIT	(1u << 30)

enum departure_state {
	DEPARTURE_HERE = 0,
	DEPARTURE_DUMPING,		/* CRIU is at it */
	DEPARTURE_SENDING,		/* in post-dump; images go over */
	DEPARTURE_DUMPED,		/* in post-dump; all is over there */
	DEPARTURE_UNDOING,		/* told "no", or killed; not over yet */
	DEPARTURE_ENDING,		/* told "yes" */
	DEPARTURE_GONE,
};

struct kho_departure {
	struct kho_mover *mover;
	uint32_t item;
	const struct kho_config_workload *config;
	struct kho_unit unit;
	enum departure_state state;
	pid_t root;
	uint64_t resident;
	struct kho_criu_external external[KHO_CRIU_EXTERNALS];
	size_t nr_external;
	char pids[KHO_CPUS_TEXT];
	struct kho_criu *criu;
	sd_event_source *source;
	int dir;
	unsigned int streams;		/* not acknowledged yet */
};

/* ---- what it is ---- */

static int list_pids(struct kho_departure *d, struct kho_err *err)
{
	struct kho_pids pids;
	size_t used = 0;
	int r = kho_cgroup_pids(d->unit.cgroup, &pids, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < pids.nr && used + 16 < sizeof(d->pids); i++)
		used += (size_t)snprintf(d->pids + used, sizeof(d->pids) - used, "%s%d",
					 used ? "," : "", pids.pids[i]);
	kho_pids_done(&pids);
	return 0;
}

static int find_externals(struct kho_departure *d, struct kho_err *err)
{
	struct kho_pids pids;
	int r = kho_cgroup_pids(d->unit.cgroup, &pids, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < pids.nr && r >= 0; i++)
		r = kho_criu_find_externals(pids.pids[i], d->external, &d->nr_external, err);
	kho_pids_done(&pids);
	return r;
}

static int look(struct kho_departure *d, struct kho_err *err)
{
	int r = kho_unit_show(d->config->unit, &d->unit, err);

	if (r < 0)
		return r;
	if (strcmp(d->unit.active, "active") != 0 || !*d->unit.cgroup)
		return kho_fail(err, -ESRCH, "%s is %s; start it, or take it out of the "
				"configuration", d->config->unit, d->unit.active);
	r = kho_cgroup_root(d->unit.cgroup, &d->root, err);
	if (r >= 0)
		r = kho_criu_check_namespaces(d->root, err);
	if (r >= 0)
		r = list_pids(d, err);
	if (r < 0)
		return r;
	d->resident = kho_cgroup_resident(d->unit.cgroup);
	return find_externals(d, err);
}

struct kho_departure *kho_departure_new(struct kho_mover *mover, uint32_t item,
					struct kho_err *err)
{
	struct kho_departure *d = calloc(1, sizeof(*d));

	if (!d) {
		kho_fail(err, -ENOMEM, "no memory for a workload");
		return NULL;
	}
	d->mover = mover;
	d->item = item;
	d->config = &mover->config->workloads[item];
	d->dir = -EBADF;
	if (look(d, err) < 0) {
		kho_departure_free(d);
		return NULL;
	}
	return d;
}

static void end_criu(struct kho_departure *d)
{
	d->source = sd_event_source_disable_unref(d->source);
	d->criu = kho_criu_free(d->criu);
}

void kho_departure_free(struct kho_departure *d)
{
	if (!d)
		return;
	end_criu(d);
	if (d->dir >= 0)
		close(d->dir);
	free(d);
}

void kho_departure_describe(const struct kho_departure *d, Kho__MoveWorkload *ret)
{
	ret->unit = (char *)d->config->unit;
	ret->pids = (char *)d->pids;
	if (*d->config->health_command)
		ret->health_command = (char *)d->config->health_command;
	ret->has_health_timeout_ms = true;
	ret->health_timeout_ms = d->config->health_timeout_ms;
}

/* ---- steps ---- */

static struct kho_departure *departure(struct kho_mover *mover, uint32_t item)
{
	return mover->departures[item];
}

static int precopy(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	(void)mover;
	(void)item;
	(void)err;
	return 0;
}

static int let_go(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	return kho_unit_let_go(departure(mover, item)->config->unit, err);
}

static int hold_again(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	return kho_unit_hold(departure(mover, item)->config->unit, err);
}

static int freeze(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = departure(mover, item);
	int r = kho_cgroup_freeze(d->unit.cgroup, true, err);

	return r < 0 ? r : kho_cgroup_wait(d->unit.cgroup, "frozen", 1, FREEZE_MS, err);
}

static int thaw(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	return kho_cgroup_freeze(departure(mover, item)->unit.cgroup, false, err);
}

/* ---- dump ---- */

static void told(struct kho_departure *d, const struct kho_err *err)
{
	kho_mover_done(d->mover, KHO_STEP_DUMP, d->item, err);
}

/* One of the streams has arrived, or hasn't. */
static void stream_done(void *ctx, uint64_t bytes, const struct kho_err *err)
{
	struct kho_departure *d = ctx;

	(void)bytes;
	if (d->state != DEPARTURE_SENDING)
		return;
	d->streams--;
	if (err->code == 0 && d->streams)
		return;
	if (err->code == 0)
		d->state = DEPARTURE_DUMPED;
	told(d, err);
}

static int send_archive(struct kho_departure *d, const char *sort, struct kho_archive *archive,
			struct kho_err *err)
{
	struct kho_block block = {
		.data = archive->data, .size = archive->size, .done = stream_done, .ctx = d,
	};
	char kind[KHO_STREAM_KIND];

	snprintf(kind, sizeof(kind), "%s:%s", sort, d->config->name);
	*archive = (struct kho_archive){};
	d->streams++;
	return kho_transfer_send_block(d->mover->agent->session, kind, &block, err);
}

static int write_external(struct kho_departure *d, struct kho_err *err)
{
	char path[64], text[KHO_CRIU_EXTERNALS * KHO_CRIU_KEY] = "";
	const struct kho_file_content content = { .data = text, .mode = 0600 };
	struct kho_file_content whole = content;

	for (size_t i = 0; i < d->nr_external; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n",
			 d->external[i].key);
	whole.size = strlen(text);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/" KHO_RESTORE_EXTERNAL, d->dir);
	return kho_file_write_atomic(path, &whole, err);
}

static int send_images(struct kho_departure *d, struct kho_err *err)
{
	struct kho_archive archive = {};
	int r = write_external(d, err);

	if (r >= 0)
		r = kho_archive_begin(&archive, err);
	if (r >= 0)
		r = kho_archive_add_folder(&archive, d->dir, IMAGES_LIMIT, err);
	if (r >= 0)
		r = kho_archive_end(&archive, err);
	if (r >= 0)
		return send_archive(d, "images", &archive, err);
	kho_archive_done(&archive);
	return r;
}

static int send_files(struct kho_departure *d, struct kho_err *err)
{
	const struct kho_carry carry = {
		.cgroup = d->unit.cgroup,
		.pid_file = d->unit.pid_file,
		.patterns = d->config->files,
		.nr_patterns = d->config->nr_files,
	};
	struct kho_archive archive;
	int r = kho_carry_pack(&carry, &archive, err);

	return r < 0 ? r : send_archive(d, "files", &archive, err);
}

/* All is dumped, and CRIU waits. The cgroup holds the tasks now, should CRIU die. */
static int on_post_dump(struct kho_departure *d, struct kho_err *err)
{
	int r = kho_cgroup_freeze(d->unit.cgroup, true, err);

	d->state = DEPARTURE_SENDING;
	if (r >= 0)
		r = send_images(d, err);
	if (r >= 0)
		r = send_files(d, err);
	kho_session_pump(d->mover->agent->session);
	return r;
}

static void on_notify(struct kho_departure *d, const char *script)
{
	struct kho_err err = {};
	int r;

	if (d->state == DEPARTURE_DUMPING && strcmp(script, "post-dump") == 0)
		r = on_post_dump(d, &err);
	else
		r = kho_criu_answer(d->criu, d->state != DEPARTURE_UNDOING, &err);
	if (r < 0)
		told(d, &err);
}

static int finish_discard(struct kho_departure *d, struct kho_err *err)
{
	struct kho_err ignored;

	kho_cgroup_kill(d->unit.cgroup, &ignored);
	/* systemd removes the folder once it's empty: then it's gone, too */
	if (kho_cgroup_wait(d->unit.cgroup, "populated", 0, END_MS, err) == -ETIMEDOUT)
		return -ETIMEDOUT;
	*err = (struct kho_err){};
	return 0;
}

static void on_over(struct kho_departure *d, const struct kho_criu_event *event)
{
	enum departure_state state = d->state;
	struct kho_err err = {};

	end_criu(d);
	switch (state) {
	case DEPARTURE_UNDOING:
		d->state = DEPARTURE_HERE;
		kho_mover_undone(d->mover, KHO_STEP_DUMP, d->item, &err);
		break;
	case DEPARTURE_ENDING:
		d->state = DEPARTURE_GONE;
		finish_discard(d, &err);
		kho_mover_done(d->mover, KHO_STEP_DISCARD, d->item, &err);
		break;
	default:
		d->state = DEPARTURE_HERE;
		err = event->err;
		if (!err.code)
			kho_fail(&err, -EPROTO, "CRIU ended the dump by itself");
		told(d, &err);
	}
}

static int on_criu(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kho_departure *d = userdata;
	struct kho_criu_event event;

	(void)source;
	(void)fd;
	(void)revents;
	kho_criu_process(d->criu, &event);
	if (event.kind == KHO_CRIU_NOTIFY)
		on_notify(d, event.script);
	else if (event.kind != KHO_CRIU_NOTHING)
		on_over(d, &event);
	return 0;
}

static int open_dir(struct kho_departure *d, struct kho_err *err)
{
	char path[128];

	snprintf(path, sizeof(path), IMAGES_DIR "/%s", d->config->name);
	if ((mkdir(IMAGES_DIR, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(path, 0700) < 0 && errno != EEXIST))
		return kho_fail_errno(err, -errno, "%s", path);
	d->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return d->dir < 0 ? kho_fail_errno(err, -errno, "%s", path) : 0;
}

static int dump(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = departure(mover, item);
	char cgroup[KHO_UNIT_PATH + 32];
	struct kho_criu_request request = {
		.kind = KHO_CRIU_DUMP,
		.pid = d->root,
		.log = "dump.log",
		.freeze_cgroup = cgroup,
		.page_fd = -1,
		.nr_external = d->nr_external,
	};
	int r = open_dir(d, err);

	/* as we see it: in a sandbox cgroups may be read-only */
	snprintf(cgroup, sizeof(cgroup), "/proc/%d/root%s", getpid(), d->unit.cgroup);

	memcpy(request.external, d->external, sizeof(request.external));
	request.images_fd = d->dir;
	if (r >= 0)
		r = kho_criu_start(d->root, -1, &d->criu, err);
	if (r >= 0)
		r = kho_criu_request(d->criu, &request, err);
	if (r >= 0)
		r = sd_event_add_io(mover->agent->event, &d->source, kho_criu_fd(d->criu), EPOLLIN,
				    on_criu, d);
	if (r < 0)
		return r;
	d->state = DEPARTURE_DUMPING;
	return 1;
}

/*
 * In post-dump CRIU is told "no" and puts all back. At another time it's left to come
 * to its next question, which is answered so, too.
 */
static int undo_dump(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = departure(mover, item);
	bool waits = d->state == DEPARTURE_SENDING || d->state == DEPARTURE_DUMPED;

	if (!d->criu)
		return 0;
	d->state = DEPARTURE_UNDOING;
	if (waits)
		return kho_criu_answer(d->criu, false, err) < 0 ? err->code : 1;
	return 1;
}

static int discard(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = departure(mover, item);
	int r = d->criu ? kho_criu_answer(d->criu, true, err) : -ESRCH;

	d->state = DEPARTURE_ENDING;
	if (r >= 0)
		return 1;
	/* CRIU died: its tasks stand frozen, with sockets in repair mode */
	end_criu(d);
	return finish_discard(d, err);
}

const struct kho_step_ops kho_step_precopy = { .begin = precopy, .undo = precopy };
const struct kho_step_ops kho_step_let_go = { .begin = let_go, .undo = hold_again };
const struct kho_step_ops kho_step_freeze = { .begin = freeze, .undo = thaw };
const struct kho_step_ops kho_step_dump = { .begin = dump, .undo = undo_dump };
const struct kho_step_ops kho_step_discard = { .begin = discard };
