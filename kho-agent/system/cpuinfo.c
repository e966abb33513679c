// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/cpuinfo: the one place where the kernel tells APIC ids; cpus.h has the
 * contract.
 *
 * The text is blocks of "key<tabs>: value" lines; a block starts with "processor"
 * and is about one online CPU. "initial apicid" is another key and not what we
 * want: a firmware may have changed the id since.
 */
#include <errno.h>
#include <string.h>

#include "system/cpus.h"

struct line {
	const char *key;
	size_t key_size;
	const char *value;
	size_t value_size;
};

struct parser {
	struct kho_cpuinfo *info;
	struct kho_err *err;
	int64_t cpu;			/* of the block we're in; -1: none yet */
};

static void split_line(const char *text, size_t size, struct line *ret)
{
	const char *colon = memchr(text, ':', size);
	const char *end = text + size;

	*ret = (struct line) { .key = text, .key_size = size, .value = end };
	if (!colon)
		return;
	ret->key_size = (size_t)(colon - text);
	ret->value = colon + 1;
	while (ret->key_size && strchr(" \t", text[ret->key_size - 1]))
		ret->key_size--;
	while (ret->value < end && *ret->value == ' ')
		ret->value++;
	ret->value_size = (size_t)(end - ret->value);
}

static bool key_is(const struct line *line, const char *key)
{
	return line->key_size == strlen(key) && memcmp(line->key, key, line->key_size) == 0;
}

static int parse_value(const struct line *line, uint32_t *ret, struct kho_err *err)
{
	char text[16];

	if (line->value_size >= sizeof(text) || memchr(line->value, '\0', line->value_size))
		return kho_fail(err, -EBADMSG, "cpuinfo: a field isn't a number; it's corrupt");
	memcpy(text, line->value, line->value_size);
	text[line->value_size] = '\0';
	if (kho_parse_u32(text, ret, NULL) < 0)
		return kho_fail(err, -EBADMSG, "cpuinfo: \"%s\" is no number; the file is corrupt",
				text);
	return 0;
}

static int start_cpu(struct parser *parser, const struct line *line)
{
	uint32_t cpu;
	int r;

	r = parse_value(line, &cpu, parser->err);
	if (r < 0)
		return r;
	if (cpu >= KHO_CPUS_MAX)
		return kho_fail(parser->err, -ERANGE, "cpuinfo: CPU %u is beyond the limit; boot "
				"with nr_cpus=%d", cpu, KHO_CPUS_MAX);
	parser->cpu = cpu;
	return 0;
}

static bool apic_id_known(const struct kho_cpuinfo *info, uint32_t apic_id)
{
	unsigned int cpu;

	for (cpu = kho_cpus_next(&info->known, 0); cpu < KHO_CPUS_MAX;
	     cpu = kho_cpus_next(&info->known, cpu + 1))
		if (info->apic_ids[cpu] == apic_id)
			return true;
	return false;
}

static int add_apic_id(struct parser *parser, const struct line *line)
{
	struct kho_cpuinfo *info = parser->info;
	uint32_t apic_id;
	int r;

	r = parse_value(line, &apic_id, parser->err);
	if (r < 0)
		return r;
	if (parser->cpu < 0)
		return kho_fail(parser->err, -EBADMSG, "cpuinfo: APIC id %u is of no CPU; the file "
				"is corrupt", apic_id);
	if (kho_cpus_has(&info->known, (unsigned int)parser->cpu) || apic_id_known(info, apic_id) ||
	    apic_id == KHO_APIC_UNKNOWN)
		return kho_fail(parser->err, -EBADMSG, "cpuinfo: CPU %u or APIC id %u can't be, or "
				"comes twice; the file is corrupt",
				(unsigned int)parser->cpu, apic_id);
	kho_cpus_add(&info->known, (unsigned int)parser->cpu);
	info->apic_ids[parser->cpu] = apic_id;
	return 0;
}

static int parse_line(struct parser *parser, const char *text, size_t size)
{
	struct line line;

	split_line(text, size, &line);
	if (key_is(&line, "processor"))
		return start_cpu(parser, &line);
	if (key_is(&line, "apicid"))
		return add_apic_id(parser, &line);
	return 0;
}

int kho_cpuinfo_parse(const char *text, size_t size, struct kho_cpuinfo *ret,
		      struct kho_err *err)
{
	struct kho_cpuinfo info = { 0 };
	struct parser parser = { .info = &info, .err = err, .cpu = -1 };
	const char *end = text + size, *newline;
	size_t length;
	int r;

	while (text < end) {
		newline = memchr(text, '\n', (size_t)(end - text));
		length = (size_t)((newline ? newline : end) - text);
		r = parse_line(&parser, text, length);
		if (r < 0)
			return r;
		text += length + (newline ? 1 : 0);
	}
	if (!kho_cpus_count(&info.known))
		return kho_fail(err, -ENODATA, "cpuinfo: no CPU has an APIC id; this needs an "
				"x86-64 kernel with CONFIG_X86_LOCAL_APIC");
	*ret = info;
	return 0;
}
