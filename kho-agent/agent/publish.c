// SPDX-License-Identifier: GPL-2.0-only
/* Metrics, by all ways but HTTP's (page.c); publish.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/api_calls.h"
#include "agent/gather.h"
#include "agent/history.h"
#include "agent/move.h"
#include "agent/page.h"
#include "agent/publish.h"
#include "agent/textfile.h"
#include "agent/upgrade_run.h"
#include "base/cleanup.h"
#include "migrate/workload/config.h"

#define BACKLOG	8

/* What the file is written anew for. Zeroed before it's filled in: compared by memcmp(). */
struct watched {
	enum kho_phase phase;
	bool soak, held;
	enum kho_upgrade_state upgrade;
	enum kho_link_state link;
	uint32_t peer;			/* enum mk_state */
	uint64_t checked_ms;
	int last;			/* code of the last command's end */
	bool written;			/* it was once */
};

struct kho_publisher {
	struct kho_agent *agent;
	struct kho_gathered gathered;
	int fd;
	sd_event_source *io, *post;
	struct kho_page *page;		/* NULL: no HTTP */
	char file[KHO_CONFIG_TEXT];	/* "": none */
	bool told;			/* that it can't be written */
	struct watched watched;		/* as of the file */
};

int kho_publish_text(struct kho_agent *agent, enum kho_metrics_format format, char **ret,
		     struct kho_err *err)
{
	int r = kho_gather(agent, &agent->publisher->gathered, err);

	if (r >= 0)
		r = kho_metrics_render(&agent->publisher->gathered.metrics, format, ret);
	return r == -ENOMEM ? kho_fail(err, r, "no memory for metrics") : r;
}

void kho_publish_preflight(struct kho_agent *agent, const struct kho_preflight *preflight)
{
	if (agent->publisher)
		kho_gather_preflight(&agent->publisher->gathered.metrics.check, preflight);
}

void kho_publish_checkup(struct kho_agent *agent, const struct kho_checkup *checkup)
{
	if (agent->publisher)
		kho_gather_checkup(&agent->publisher->gathered.metrics.check, checkup);
}

/* ---- the method ---- */

static const sd_json_dispatch_field metrics_fields[] = {
	{ "openMetrics", SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_stdbool, 0, 0 },
	{}
};

int kho_method_metrics(sd_varlink *link, sd_json_variant *parameters,
		       sd_varlink_method_flags_t flags, void *userdata)
{
	_cleanup_free_ char *text = NULL;
	enum kho_metrics_format format;
	struct kho_err err;
	bool open = false;
	int r = sd_varlink_dispatch(link, parameters, metrics_fields, &open);

	(void)flags;
	if (r != 0)
		return r;
	format = open ? KHO_METRICS_OPENMETRICS : KHO_METRICS_TEXT;
	if (kho_publish_text(userdata, format, &text, &err) < 0)
		return kho_api_reply_error(link, &err);
	return sd_varlink_replybo(link,
				  SD_JSON_BUILD_PAIR_STRING("contentType",
							    kho_metrics_content_type(format)),
				  SD_JSON_BUILD_PAIR_STRING("text", text));
}

/* ---- the socket ---- */

static int check_peer(const struct kho_agent *agent, int fd, struct kho_err *err)
{
	_cleanup_(kho_peer_done) struct kho_peer peer = {};
	int r = kho_peer_read(fd, &peer, err);

	return r < 0 ? r : kho_access_check(&agent->access, &peer, KHO_ACCESS_READ, err);
}

/* A text is much smaller than a socket's buffer: it goes out at once, or the client is gone. */
static int on_connect(sd_event_source *source, int listener, uint32_t events, void *userdata)
{
	struct kho_publisher *publisher = userdata;
	_cleanup_close_ int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	struct kho_err err;

	(void)source;
	(void)events;
	if (fd >= 0 && check_peer(publisher->agent, fd, &err) >= 0 &&
	    kho_publish_text(publisher->agent, KHO_METRICS_TEXT, &text, &err) >= 0)
		(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
	return 0;
}

static int open_socket(struct kho_publisher *publisher, struct kho_err *err)
{
	const struct kho_access_policy *access = &publisher->agent->access;
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = KHO_METRICS_SOCKET };
	int r;

	unlink(KHO_METRICS_SOCKET);
	publisher->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* nobody can connect between bind() and chmod(), since nobody listens */
	if (publisher->fd < 0 ||
	    bind(publisher->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(KHO_METRICS_SOCKET, 0660) < 0 ||
	    (access->has_group && chown(KHO_METRICS_SOCKET, 0, access->group) < 0) ||
	    listen(publisher->fd, BACKLOG) < 0)
		return kho_fail_errno(err, -errno, "the socket " KHO_METRICS_SOCKET);
	r = sd_event_add_io(publisher->agent->event, &publisher->io, publisher->fd, EPOLLIN,
			    on_connect, publisher);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 0;
}

/* ---- the file ---- */

static void look(struct kho_publisher *publisher, struct watched *ret)
{
	struct kho_agent *agent = publisher->agent;
	const struct kho_journal *journal = kho_upgrade_journal(agent);
	const struct kho_session *session = agent->session;

	memset(ret, 0, sizeof(*ret));
	ret->phase = agent->phase;
	ret->soak = strcmp(kho_agent_phase_name(agent), "soak") == 0;
	if (journal) {
		ret->upgrade = journal->upgrade.state;
		ret->held = journal->upgrade.hold || journal->upgrade.held;
	}
	if (session) {
		ret->link = kho_channel_link(session->channel)->state;
		ret->peer = session->peer->state;
	}
	ret->checked_ms = publisher->gathered.metrics.check.at_ms;
	ret->last = agent->last.code;
	ret->written = true;
}

static void write_file(struct kho_publisher *publisher)
{
	struct kho_agent *agent = publisher->agent;
	_cleanup_free_ char *text = NULL;
	struct kho_err err;
	int r = kho_publish_text(agent, KHO_METRICS_TEXT, &text, &err);

	if (r >= 0)
		r = kho_textfile_write(publisher->file, text, &err);
	if (r < 0 && !publisher->told)
		kho_agent_progress(agent, "metrics: %s", err.msg);
	publisher->told = r < 0;
}

/* After each turn of the loop in which anything happened. */
static int on_turn(sd_event_source *source, void *userdata)
{
	struct kho_publisher *publisher = userdata;
	const struct kho_mover *mover = publisher->agent->mover;
	struct watched now;

	(void)source;
	if (mover && kho_move_is_delicate(&mover->move))
		return 0;
	look(publisher, &now);
	if (memcmp(&now, &publisher->watched, sizeof(now)) == 0)
		return 0;
	publisher->watched = now;
	write_file(publisher);
	return 0;
}

/* ---- set up ---- */

static int set_up_file(struct kho_publisher *publisher, const char *path, struct kho_err *err)
{
	int r;

	if (!*path)
		return 0;
	snprintf(publisher->file, sizeof(publisher->file), "%s", path);
	r = sd_event_add_post(publisher->agent->event, &publisher->post, on_turn, publisher);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 0;
}

static void warn_of_history(struct kho_agent *agent)
{
	struct kho_past *past = calloc(1, sizeof(*past));
	struct kho_err err;

	if (past && kho_history_past(past, &err) < 0)
		kho_agent_progress(agent, "metrics: upgrades aren't counted: %s", err.msg);
	free(past);
}

/* Whatever can't be had is told, and nothing depends on it. */
static void set_up(struct kho_publisher *publisher)
{
	struct kho_agent *agent = publisher->agent;
	_cleanup_free_ struct kho_config *config = NULL;
	struct kho_err err;
	int r;

	warn_of_history(agent);
	if (open_socket(publisher, &err) < 0)
		kho_agent_progress(agent, "metrics: %s", err.msg);
	/* what's wrong with it was told, as of the API */
	if (kho_config_load(&config, NULL) < 0)
		return;
	r = set_up_file(publisher, config->metrics_file, &err);
	if (r >= 0)
		r = kho_page_new(agent, config->metrics_listen, &publisher->page, &err);
	if (r < 0)
		kho_agent_progress(agent, "metrics: %s", err.msg);
}

int kho_publish_new(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_publisher *publisher = calloc(1, sizeof(*publisher));

	if (!publisher)
		return kho_fail(err, -ENOMEM, "no memory for metrics");
	publisher->agent = agent;
	publisher->fd = -EBADF;
	agent->publisher = publisher;
	set_up(publisher);
	return 0;
}

/* Of what set_up() has opened. */
static void close_all(struct kho_publisher *publisher)
{
	publisher->page = kho_page_free(publisher->page);
	publisher->post = sd_event_source_disable_unref(publisher->post);
	publisher->io = sd_event_source_disable_unref(publisher->io);
	if (publisher->fd >= 0)
		close(publisher->fd);
	publisher->fd = -EBADF;
}

void kho_publish_reload(struct kho_agent *agent)
{
	struct kho_publisher *publisher = agent->publisher;

	if (!publisher)
		return;
	close_all(publisher);
	publisher->told = false;
	publisher->watched = (struct watched){};
	set_up(publisher);
}

void kho_publish_free(struct kho_agent *agent)
{
	struct kho_publisher *publisher = agent->publisher;

	if (!publisher)
		return;
	agent->publisher = NULL;
	close_all(publisher);
	free(publisher);
}
