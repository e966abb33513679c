// SPDX-License-Identifier: GPL-2.0-only
/* logind's inhibitor lock; inhibit.h has the idea. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/move.h"
#include "agent/session.h"

#define WHO		"kho-agent"
#define WHY		"workloads are on their way to another kernel (khoctl status)"
#define GONE_USEC	5000000		/* for logind to see that it's gone */

static bool is_wanted(const struct kho_agent *agent)
{
	if (agent->inhibit.gone)
		return false;
	if (agent->mover && kho_move_is_delicate(&agent->mover->move))
		return true;
	return agent->session && agent->session->retiring;
}

static void close_lock(struct kho_inhibit *inhibit)
{
	if (inhibit->held)
		close(inhibit->fd);
	inhibit->held = false;
}

static void drop(struct kho_inhibit *inhibit)
{
	close_lock(inhibit);
	inhibit->deadline = sd_event_source_disable_unref(inhibit->deadline);
	inhibit->call = sd_bus_slot_unref(inhibit->call);
	inhibit->bus = sd_bus_close_unref(inhibit->bus);
	inhibit->asked = false;
}

/* ---- asking ---- */

static int on_lock(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct kho_agent *agent = userdata;
	struct kho_inhibit *inhibit = &agent->inhibit;
	int fd;

	(void)error;
	inhibit->call = sd_bus_slot_unref(inhibit->call);
	/* no logind, or it doesn't want to: the move goes on without */
	if (sd_bus_message_is_method_error(reply, NULL) ||
	    sd_bus_message_read(reply, "h", &fd) < 0)
		return 0;
	inhibit->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	inhibit->held = inhibit->fd >= 0;
	return 0;
}

/* logind isn't started for it. */
static int call(struct kho_agent *agent, sd_bus_message_handler_t fn, const char *method,
		const char *types, ...)
{
	struct kho_inhibit *inhibit = &agent->inhibit;
	sd_bus_message *message = NULL;
	va_list args;
	int r = sd_bus_message_new_method_call(inhibit->bus, &message, "org.freedesktop.login1",
					       "/org/freedesktop/login1",
					       "org.freedesktop.login1.Manager", method);

	if (r >= 0)
		r = sd_bus_message_set_auto_start(message, false);
	if (r >= 0 && types) {
		va_start(args, types);
		r = sd_bus_message_appendv(message, types, args);
		va_end(args);
	}
	if (r >= 0)
		r = sd_bus_call_async(inhibit->bus, &inhibit->call, message, fn, agent, 0);
	sd_bus_message_unref(message);
	return r;
}

static int ask(struct kho_agent *agent)
{
	struct kho_inhibit *inhibit = &agent->inhibit;
	int r = sd_bus_open_system(&inhibit->bus);

	if (r >= 0)
		r = sd_bus_attach_event(inhibit->bus, agent->event, SD_EVENT_PRIORITY_NORMAL);
	return r < 0 ? r : call(agent, on_lock, "Inhibit", "ssss", "shutdown:sleep", WHO, WHY,
				"block");
}

void kho_inhibit_follow(struct kho_agent *agent)
{
	struct kho_inhibit *inhibit = &agent->inhibit;
	bool wanted = is_wanted(agent);

	if (!wanted && inhibit->asked && !inhibit->gone)
		drop(inhibit);
	if (!wanted || inhibit->asked)
		return;
	if (ask(agent) < 0)
		drop(inhibit);
	/* once for each time */
	inhibit->asked = true;
}

/* ---- letting go ---- */

static void end(struct kho_agent *agent)
{
	kho_inhibit_gone_fn gone = agent->inhibit.gone;

	drop(&agent->inhibit);
	if (gone)
		gone(agent);
	agent->inhibit.gone = NULL;
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	end(userdata);
	return 0;
}

static bool is_listed(sd_bus_message *reply)
{
	const char *who;
	uint32_t uid, pid;
	bool found = false;

	if (sd_bus_message_is_method_error(reply, NULL) ||
	    sd_bus_message_enter_container(reply, 'a', "(ssssuu)") < 0)
		return false;
	while (sd_bus_message_read(reply, "(ssssuu)", NULL, &who, NULL, NULL, &uid, &pid) > 0)
		found = found || (strcmp(who, WHO) == 0 && pid == (uint32_t)getpid());
	return found;
}

/* logind sees a lock's end when it has nothing else to do: after a few answers at most. */
static int on_list(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct kho_agent *agent = userdata;
	struct kho_inhibit *inhibit = &agent->inhibit;

	(void)error;
	inhibit->call = sd_bus_slot_unref(inhibit->call);
	if (!is_listed(reply) || call(agent, on_list, "ListInhibitors", NULL) < 0)
		end(agent);
	return 0;
}

void kho_inhibit_release(struct kho_agent *agent, kho_inhibit_gone_fn gone)
{
	struct kho_inhibit *inhibit = &agent->inhibit;

	inhibit->gone = gone;
	close_lock(inhibit);
	inhibit->call = sd_bus_slot_unref(inhibit->call);
	/* on the same connection: whatever was asked before has been answered by then */
	if (!inhibit->bus || call(agent, on_list, "ListInhibitors", NULL) < 0 ||
	    sd_event_add_time_relative(agent->event, &inhibit->deadline, CLOCK_MONOTONIC, GONE_USEC,
				       0, on_late, agent) < 0)
		end(agent);
}

void kho_inhibit_forget(struct kho_agent *agent)
{
	if (!agent->inhibit.gone)
		return;
	agent->inhibit.gone = NULL;
	drop(&agent->inhibit);
}
