// SPDX-License-Identifier: GPL-2.0-only
/*
 * The receiver's shell (agent/receive.c): does what it's asked for, if its owner lets it,
 * and answers. Its agent may be killed: then what it was at is forgotten, done or not.
 */
#include <errno.h>
#include <string.h>

#include "sim/sim.h"

struct sim_message sim_pull(struct sim_queue *queue, unsigned int i)
{
	struct sim_message message = queue->at[i];

	queue->nr--;
	memmove(&queue->at[i], &queue->at[i + 1], (queue->nr - i) * sizeof(message));
	memset(&queue->at[queue->nr], 0, sizeof(message));
	return message;
}

/* One that's full has lost it: a deadline follows. */
void sim_push(struct sim_queue *queue, const struct sim_message *what)
{
	if (queue->nr < SIM_QUEUE)
		queue->at[queue->nr++] = *what;
}

/* To somebody who doesn't know this session, it's an earlier one's. */
void sim_ask(struct sim *s, const struct sim_message *what)
{
	if (s->agreed)
		sim_push(&s->asked, what);
}

static void answer(struct sim *s, const struct sim_message *what, int code)
{
	struct sim_message message = *what;

	message.code = (int16_t)code;
	if (s->up && !s->lost)
		sim_push(&s->answers, &message);
}

/* An undo ends what it undoes, if that's still under way: it isn't answered any more. */
static void end_begun(struct sim *s, const struct sim_message *undo)
{
	for (unsigned int i = s->ops.nr; i-- > 0;)
		if (!s->ops.at[i].undo && s->ops.at[i].step == undo->step &&
		    s->ops.at[i].item == undo->item)
			sim_pull(&s->ops, i);
}

void sim_receive(struct sim *s, unsigned int i)
{
	struct sim_message what = sim_pull(&s->asked, i);
	enum sim_side to = s->config->from == SIM_OLD ? SIM_NEW : SIM_OLD;
	const struct kho_owner *owner;
	struct kho_owner now;

	owner = sim_owner(s, &now);
	if (!kho_move_may_receive(owner, to == SIM_NEW, what.step, what.undo)) {
		if (owner)
			sim_bad(s, "the receiver is asked for what it mustn't do");
		answer(s, &what, -EPERM);
		return;
	}
	if (!what.undo && s->undone[what.step] & 1u << what.item) {
		answer(s, &what, -ECANCELED);
		return;
	}
	if (what.undo) {
		s->undone[what.step] |= 1u << what.item;
		end_begun(s, &what);
	}
	sim_push(&s->ops, &what);
}

void sim_receiver_done(struct sim *s, unsigned int op)
{
	struct sim_message what = sim_pull(&s->ops, op);
	uint8_t armed = s->armed;
	int r = 0;

	s->armed = 0;
	if (armed != 1)
		r = sim_remote_effect(s, &what);
	if (armed && r == 0)
		r = -EIO - what.step;
	answer(s, &what, r);
}

void sim_receiver_kill(struct sim *s, bool happened)
{
	while (s->ops.nr) {
		struct sim_message what = sim_pull(&s->ops, 0);

		if (happened)
			sim_remote_effect(s, &what);
	}
	memset(s->images, 0, sizeof(s->images));
	memset(s->undone, 0, sizeof(s->undone));
	memset(&s->asked, 0, sizeof(s->asked));
	s->agreed = false;
}
