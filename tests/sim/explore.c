// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers of runs. sim_explore() goes every way there is, depth first, and turns back where
 * it has been: of a state it keeps a hash of 64 bits, so of a million states one is missed
 * with a probability of 1 in 30 million. sim_walk() goes one way, by lot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sim/sim.h"

#define DEPTH_MAX	1200
#define SLOTS_MIN	(1u << 16)

struct seen {
	uint64_t *slots;		/* 0: free */
	size_t nr, size;
};

/* One state on the way, and which of its events was taken. */
struct level {
	struct sim sim;
	uint64_t hash;
	struct sim_event events[SIM_EVENTS];
	size_t nr, next;
};

/* ---- states that were seen ---- */

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t word;

	for (size_t i = 0; i < size; i += sizeof(word)) {
		word = 0;
		memcpy(&word, bytes + i, size - i < sizeof(word) ? size - i : sizeof(word));
		hash = (hash ^ word) * 0x9fb21c651e98df25ull;
		hash ^= hash >> 29;
	}
	return hash;
}

/* Of the machine's only what it looks at: neither texts nor padding. */
static uint64_t hash_of(const struct sim *s)
{
	const struct kho_move *move = &s->move;
	const int64_t few[] = { move->state, move->step, move->pending, move->restarted,
				move->peer_lost, kho_move_waits_for_fence(move), move->err.code,
				move->undo_err.code };
	uint64_t hash = mix(1, s, offsetof(struct sim, move));

	hash = mix(hash, few, sizeof(few));
	hash = mix(hash, move->begun, sizeof(move->begun));
	hash = mix(hash, move->nr, sizeof(move->nr));
	hash = mix(hash, &s->local_step, sizeof(*s) - offsetof(struct sim, local_step));
	return hash ?: 1;
}

/* False: it was seen before. */
static bool put(uint64_t *slots, size_t size, uint64_t hash)
{
	size_t i = hash & (size - 1);

	while (slots[i] && slots[i] != hash)
		i = (i + 1) & (size - 1);
	if (slots[i] == hash)
		return false;
	slots[i] = hash;
	return true;
}

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static void grow(struct seen *seen)
{
	size_t size = seen->size ? seen->size * 2 : SLOTS_MIN;
	uint64_t *slots = must(calloc(size, sizeof(*slots)));

	for (size_t i = 0; i < seen->size; i++)
		if (seen->slots[i])
			put(slots, size, seen->slots[i]);
	free(seen->slots);
	seen->slots = slots;
	seen->size = size;
}

static bool is_new(struct seen *seen, struct level *level)
{
	if (seen->nr * 2 >= seen->size)
		grow(seen);
	level->hash = hash_of(&level->sim);
	if (!put(seen->slots, seen->size, level->hash))
		return false;
	seen->nr++;
	return true;
}

/* ---- the end of a run ---- */

static void count_end(struct sim *s, struct sim_count *count)
{
	count->ends++;
	count->faulty_ends += s->faults < s->config->faults;
	sim_check_end(s);
	count->stages[s->stage]++;
}

/* ---- everything ---- */

static void keep_trace(const struct level *levels, size_t depth, struct sim_count *count)
{
	size_t at = 0;
	char text[32];

	for (size_t i = 0; i < depth && at + sizeof(text) + 16 < sizeof(count->trace); i++) {
		const struct level *level = &levels[i];

		sim_event_text(&level->events[level->next - 1], text, sizeof(text));
		at += (size_t)snprintf(count->trace + at, sizeof(count->trace) - at, "%s%s (%u)",
				       i ? ", " : "", text, levels[i].sim.move.step);
	}
}

/* Opens the state at @depth. */
static void enter(struct level *level, struct sim_count *count)
{
	level->nr = sim_events(&level->sim, level->events);
	level->next = 0;
	count->states++;
	/* what can go on by faults alone doesn't go on */
	if (!level->sim.bad && (!level->nr || level->events[0].kind >= SIM_FIRST_FAULT))
		count_end(&level->sim, count);
}

/* Whether progress alone has led back to where it was. */
static bool is_circle(const struct level *levels, size_t depth)
{
	for (size_t i = depth; i-- > 0;) {
		if (levels[i].events[levels[i].next - 1].kind >= SIM_FIRST_FAULT)
			return false;
		if (levels[i].hash == levels[depth].hash)
			return true;
	}
	return false;
}

bool sim_explore(const struct sim_config *config, struct sim_count *ret)
{
	struct level *levels = must(calloc(DEPTH_MAX, sizeof(*levels)));
	struct seen seen = {};
	size_t depth = 0;

	memset(ret, 0, sizeof(*ret));
	sim_start(&levels[0].sim, config);
	is_new(&seen, &levels[0]);
	enter(&levels[0], ret);
	while (!levels[depth].sim.bad && depth + 2 < DEPTH_MAX) {
		struct level *level = &levels[depth];

		if (level->next == level->nr) {
			if (!depth--)
				break;
			continue;
		}
		levels[depth + 1].sim = level->sim;
		sim_do(&levels[depth + 1].sim, level->events[level->next++]);
		ret->events++;
		if (!levels[depth + 1].sim.bad && !is_new(&seen, &levels[depth + 1])) {
			if (!is_circle(levels, depth + 1))
				continue;
			sim_bad(&levels[depth + 1].sim, "a run goes round in circles");
		}
		enter(&levels[++depth], ret);
		if (depth > ret->longest)
			ret->longest = (unsigned int)depth;
	}
	if (depth != SIZE_MAX) {
		ret->bad = levels[depth].sim.bad ?: "a run doesn't end";
		keep_trace(levels, depth, ret);
	}
	free(levels);
	free(seen.slots);
	return !ret->bad;
}

/* ---- by lot ---- */

static uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Progress fifteen times of sixteen, while there's any. */
static size_t choose(const struct sim_event *events, size_t nr, uint64_t *seed)
{
	size_t good = 0;

	while (good < nr && events[good].kind < SIM_FIRST_FAULT)
		good++;
	if (good < nr && (!good || draw(seed) % 16 == 0))
		return good + draw(seed) % (nr - good);
	return draw(seed) % good;
}

bool sim_walk(const struct sim_config *config, uint64_t *seed, struct sim_count *count)
{
	struct sim_event events[SIM_EVENTS];
	struct sim s;
	size_t nr, at = 0;
	char text[32];

	sim_start(&s, config);
	for (unsigned int i = 0; i < DEPTH_MAX && !s.bad; i++) {
		struct sim_event event;

		nr = sim_events(&s, events);
		if (!nr || events[0].kind >= SIM_FIRST_FAULT)
			break;
		event = events[choose(events, nr, seed)];
		sim_event_text(&event, text, sizeof(text));
		if (at + sizeof(text) + 16 < sizeof(count->trace))
			at += (size_t)snprintf(count->trace + at, sizeof(count->trace) - at,
					       "%s (%u), ", text, s.move.step);
		sim_do(&s, event);
		count->events++;
	}
	if (!s.bad)
		count_end(&s, count);
	count->bad = s.bad;
	return !s.bad;
}
