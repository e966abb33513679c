// SPDX-License-Identifier: GPL-2.0-only
/* Reserving and giving back; reserve.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/reserve.h"
#include "base/bits.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "system/memory.h"
#include "system/memplan.h"

#define RECORD		KHO_RUN_DIR "/reserved"
#define RECORD_MAX	65536
#define MEM_TIMEOUT_MS	60000

bool kho_reserve_is_pending(void)
{
	return access(RECORD, F_OK) == 0;
}

void kho_reserve_forget(void)
{
	unlink(RECORD);
}

/* ---- the record: "cpus 0-3\nblocks 0-31\n" of what is online ---- */

static int online_blocks(const struct kho_sysroot *root, struct kho_cpus *ret,
			 struct kho_err *err)
{
	struct kho_mem_map map = {};
	int r = kho_memory_read(root, &map, err);

	if (r < 0)
		return r;
	if (map.nr && map.blocks[map.nr - 1].index >= KHO_CPUS_MAX)
		r = kho_fail(err, -EOPNOTSUPP, "this machine has memory blocks with numbers above "
			     "%d, more than the agent can keep track of; use one with less memory",
			     KHO_CPUS_MAX - 1);
	for (size_t i = 0; i < map.nr; i++)
		if (map.blocks[i].state != KHO_MEM_OFFLINE)
			kho_cpus_add(ret, map.blocks[i].index);
	kho_mem_map_done(&map);
	return r;
}

static void online_cpus(const struct kho_cpu_list *list, struct kho_cpus *ret)
{
	for (size_t i = 0; i < list->nr; i++)
		if (list->cpus[i].online)
			kho_cpus_add(ret, list->cpus[i].cpu);
}

static int write_record(struct kho_agent *agent, const struct kho_cpu_list *list,
			struct kho_err *err)
{
	char cpus_text[KHO_CPUS_TEXT], blocks_text[KHO_CPUS_TEXT], text[2 * KHO_CPUS_TEXT + 32];
	struct kho_file_content content = { .data = text, .mode = 0600 };
	struct kho_cpus cpus = {}, blocks = {};
	int r;

	online_cpus(list, &cpus);
	r = online_blocks(&agent->root, &blocks, err);
	if (r < 0)
		return r;
	kho_cpus_format(&cpus, cpus_text, sizeof(cpus_text));
	kho_cpus_format(&blocks, blocks_text, sizeof(blocks_text));
	content.size = snprintf(text, sizeof(text), "cpus %s\nblocks %s\n", cpus_text, blocks_text);
	return kho_file_write_atomic(RECORD, &content, err);
}

static int parse_record(char *text, struct kho_cpus *cpus, struct kho_cpus *blocks,
			struct kho_err *err)
{
	char *save, *line;
	int r;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "cpus ", 5) == 0)
			r = kho_parse_cpus(line + 5, cpus, err);
		else if (strncmp(line, "blocks ", 7) == 0)
			r = kho_parse_cpus(line + 7, blocks, err);
		else
			r = kho_fail(err, -EBADMSG, "unknown line '%.40s'", line);
		if (r < 0)
			return kho_wrap(err, r, "%s", RECORD);
	}
	return 0;
}

/* ---- giving back ---- */

static int keep_first(int first, int r, struct kho_err *first_err, const struct kho_err *err)
{
	if (first < 0 || r >= 0)
		return first;
	if (first_err)
		*first_err = *err;
	return r;
}

static int online_all(struct kho_agent *agent, const struct kho_cpus *cpus,
		      const struct kho_cpus *blocks, struct kho_err *err)
{
	struct kho_err one;
	unsigned int n;
	int first = 0, r;

	for (n = kho_cpus_next(blocks, 0); n < KHO_CPUS_MAX; n = kho_cpus_next(blocks, n + 1)) {
		r = kho_memory_online(&agent->root, n, KHO_ZONE_NONE, &one);
		first = keep_first(first, r, err, &one);
	}
	for (n = kho_cpus_next(cpus, 1); n < KHO_CPUS_MAX; n = kho_cpus_next(cpus, n + 1)) {
		r = kho_cpu_online(&agent->root, n, KHO_CPU_HOTPLUG_MS, &one);
		kho_agent_is_alive();
		first = keep_first(first, r, err, &one);
	}
	return first;
}

int kho_reserve_give_back(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_cpus cpus = {}, blocks = {};
	_cleanup_free_ char *text = NULL;
	int r;

	if (!kho_reserve_is_pending())
		return 0;
	r = kho_file_read_string(RECORD, RECORD_MAX, &text, err);
	if (r >= 0)
		r = parse_record(text, &cpus, &blocks, err);
	if (r >= 0)
		r = online_all(agent, &cpus, &blocks, err);
	if (r >= 0)
		kho_reserve_forget();
	return r;
}

/* ---- reserving ---- */

static unsigned int count_online(const struct kho_cpu_list *list)
{
	struct kho_cpus online = {};

	online_cpus(list, &online);
	return kho_cpus_count(&online);
}

static int check_cpu(struct kho_agent *agent, const struct kho_cpu_list *list, unsigned int n,
		     struct kho_err *err)
{
	const struct kho_cpu *cpu = kho_cpu_list_find(list, n);

	if (!cpu)
		return kho_fail(err, -ENOENT, "there's no CPU %u; see lscpu -e", n);
	if (!cpu->online)
		return kho_fail(err, -EBUSY, "CPU %u is offline already; "
				"online it, or give another one", n);
	if (n == 0 || cpu->apic_id == agent->info.boot_apic_id)
		return kho_fail(err, -EINVAL, "CPU %u is the one that stays last; "
				"give another one", n);
	if (!cpu->hotpluggable)
		return kho_fail(err, -EOPNOTSUPP, "CPU %u can't be offlined: this kernel has no "
				"switch for it; give another one", n);
	return 0;
}

int kho_reserve_plan_cpus(struct kho_agent *agent, const struct kho_cpu_list *list,
			  const char *text, struct kho_cpus *ret, struct kho_err *err)
{
	struct kho_spare spare = {
		.nr = count_online(list) / 2 ?: 1,
		.min_left = 1,
		.boot_apic_id = agent->info.boot_apic_id,
	};
	int r;

	if (!text)
		return kho_cpu_choose_spare(list, &spare, ret, err);
	r = kho_parse_cpus(text, ret, err);
	if (r < 0)
		return r;
	if (!kho_cpus_count(ret))
		return kho_fail(err, -EINVAL, "no CPU was given; name some, as in 2-3");
	for (unsigned int n = kho_cpus_next(ret, 0); r >= 0 && n < KHO_CPUS_MAX;
	     n = kho_cpus_next(ret, n + 1))
		r = check_cpu(agent, list, n, err);
	return r;
}

static int offline_cpus(struct kho_agent *agent, const struct kho_cpu_list *list,
			const struct kho_cpus *cpus, struct kho_reserved *ret, struct kho_err *err)
{
	int r;

	for (unsigned int n = kho_cpus_next(cpus, 0); n < KHO_CPUS_MAX; n = kho_cpus_next(cpus, n + 1)) {
		ret->apic_ids[ret->nr_cpus++] = kho_cpu_list_find(list, n)->apic_id;
		r = kho_cpu_offline(&agent->root, n, KHO_CPU_HOTPLUG_MS, err);
		if (r < 0)
			return r;
		kho_agent_is_alive();
	}
	return 0;
}

static uint64_t default_memory(const struct kho_mem_map *map, uint64_t contiguous)
{
	uint64_t quarter = kho_align_up(map->nr * map->block_size / 4, map->block_size);

	return quarter > contiguous ? quarter : contiguous;
}

static int take_memory(struct kho_agent *agent, const struct kho_reserve_spec *spec,
		       struct kho_reserved *ret, struct kho_err *err)
{
	struct kho_mem_request request = {
		.spec = { .size = spec->memory, .first_size = spec->contiguous },
		.min_available = KHO_RESERVE_FLOOR,
		.timeout_ms = MEM_TIMEOUT_MS,
	};
	struct kho_mem_taken taken = {};
	struct kho_mem_map map = {};
	int r;

	if (!spec->memory) {
		r = kho_memory_read(&agent->root, &map, err);
		if (r < 0)
			return r;
		request.spec.size = default_memory(&map, spec->contiguous);
		kho_mem_map_done(&map);
	}
	r = kho_memory_take(&agent->root, &request, &taken, err);
	if (r < 0)
		return r;
	ret->nr_ranges = taken.nr_ranges;
	memcpy(ret->ranges, taken.ranges, sizeof(ret->ranges));
	return 0;
}

/* Blocks named by the operator: as ranges in the order of their numbers. */
static int take_blocks(struct kho_agent *agent, const char *text, struct kho_reserved *ret,
		       struct kho_err *err)
{
	uint64_t size = agent->info.memory_block_size;
	struct kho_cpus blocks = {};
	struct mk_range *last = NULL;
	int r = kho_parse_cpus(text, &blocks, err);

	if (r < 0)
		return kho_wrap(err, r, "memory blocks");
	for (unsigned int n = kho_cpus_next(&blocks, 0); n < KHO_CPUS_MAX;
	     n = kho_cpus_next(&blocks, n + 1)) {
		r = kho_memory_offline(&agent->root, n, MEM_TIMEOUT_MS, err);
		if (r < 0)
			return kho_wrap(err, r, "memory block %u can't be given up; name "
					"another one, or give --memory", n);
		if (last && last->start + last->size == n * size) {
			last->size += size;
			continue;
		}
		if (ret->nr_ranges == MK_MAX_RANGES)
			return kho_fail(err, -E2BIG, "more than %d runs of memory blocks; "
					"give fewer, longer ones", MK_MAX_RANGES);
		last = &ret->ranges[ret->nr_ranges++];
		*last = (struct mk_range){ .start = n * size, .size = size };
	}
	return ret->nr_ranges ? 0 : kho_fail(err, -EINVAL, "no memory block was given");
}

static int reserve(struct kho_agent *agent, const struct kho_cpu_list *list,
		   const struct kho_reserve_spec *spec, struct kho_reserved *ret,
		   struct kho_err *err)
{
	struct kho_cpus cpus = {};
	int r = kho_reserve_plan_cpus(agent, list, spec->cpus, &cpus, err);

	if (r < 0)
		return r;
	r = spec->blocks ? take_blocks(agent, spec->blocks, ret, err) :
			   take_memory(agent, spec, ret, err);
	if (r < 0)
		return r;
	return offline_cpus(agent, list, &cpus, ret, err);
}

/* ---- planning ---- */

/* As if every block could be had. */
static int plan_memory(const struct kho_mem_map *map, const struct kho_reserve_spec *spec,
		       uint64_t *ret, struct kho_err *err)
{
	const struct kho_memplan_spec wanted = {
		.size = spec->memory ?: default_memory(map, spec->contiguous),
		.first_size = spec->contiguous,
	};
	struct kho_memplan plan;
	size_t block;
	int r = kho_memplan_init(&plan, map, &wanted, err);

	if (r < 0)
		return r;
	while ((r = kho_memplan_next(&plan, &block, err)) > 0)
		kho_memplan_taken(&plan, block);
	*ret = plan.nr_taken * map->block_size;
	kho_memplan_done(&plan);
	return r;
}

static int check_block(const struct kho_mem_map *map, unsigned int n, struct kho_err *err)
{
	for (size_t i = 0; i < map->nr; i++)
		if (map->blocks[i].index == n)
			return map->blocks[i].state == KHO_MEM_OFFLINE ||
			       kho_memplan_may_go(&map->blocks[i]) ? 0 :
			       kho_fail(err, -EBUSY, "memory block %u can't be given up; name "
					"another one, or give --memory", n);
	return kho_fail(err, -ENOENT, "there's no memory block %u; see lsmem", n);
}

static int plan_blocks(const struct kho_mem_map *map, const char *text, uint64_t *ret,
		       struct kho_err *err)
{
	struct kho_cpus blocks = {};
	int r = kho_parse_cpus(text, &blocks, err);

	if (r < 0)
		return kho_wrap(err, r, "memory blocks");
	for (unsigned int n = kho_cpus_next(&blocks, 0); r >= 0 && n < KHO_CPUS_MAX;
	     n = kho_cpus_next(&blocks, n + 1))
		r = check_block(map, n, err);
	if (r >= 0)
		*ret = kho_cpus_count(&blocks) * map->block_size;
	return r;
}

int kho_reserve_plan_memory(struct kho_agent *agent, const struct kho_mem_map *map,
			    const struct kho_reserve_spec *spec, uint64_t *ret,
			    struct kho_err *err)
{
	int r;

	if (spec->blocks)
		return plan_blocks(map, spec->blocks, ret, err);
	r = plan_memory(map, spec, ret, err);
	return r < 0 ? r : kho_memory_check_floor(&agent->root, *ret, KHO_RESERVE_FLOOR, err);
}

int kho_reserve_plan(struct kho_agent *agent, const struct kho_reserve_spec *spec,
		     struct kho_cpus *ret_cpus, uint64_t *ret_memory, struct kho_err *err)
{
	struct kho_mem_map map = {};
	struct kho_cpu_list list;
	int r = kho_cpu_list_read(&agent->root, &list, err);

	if (r >= 0)
		r = kho_reserve_plan_cpus(agent, &list, spec->cpus, ret_cpus, err);
	if (r >= 0)
		r = kho_memory_read(&agent->root, &map, err);
	if (r < 0)
		return r;
	r = kho_reserve_plan_memory(agent, &map, spec, ret_memory, err);
	kho_mem_map_done(&map);
	return r;
}

int kho_reserve(struct kho_agent *agent, const struct kho_reserve_spec *spec,
		struct kho_reserved *ret, struct kho_err *err)
{
	struct kho_reserved reserved = {};
	struct kho_cpu_list list;
	struct kho_err undo;
	int r;

	r = kho_cpu_list_read(&agent->root, &list, err);
	if (r < 0)
		return r;
	r = write_record(agent, &list, err);
	if (r < 0)
		return r;
	r = reserve(agent, &list, spec, &reserved, err);
	if (r < 0) {
		if (kho_reserve_give_back(agent, &undo) < 0)
			return kho_wrap(err, r, "not all could be given back (%s)", undo.msg);
		return r;
	}
	*ret = reserved;
	return 0;
}
