// SPDX-License-Identifier: GPL-2.0-only
/* khoctl spawn and upgrade: what they share, and what an upgrade has besides. */
#include <getopt.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "api/api.h"
#include "base/bits.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "image/dir.h"
#include "khoctl/khoctl.h"

struct spawn_options {
	const char *image;
	const char *cpus;
	const char *blocks;
	const char *append;
	const char *method;
	uint64_t memory;
	uint64_t timeout;
	uint64_t soak;			/* UINT64_MAX: as configured */
	bool no_rehearsal, hold, keep, no_wait, dry_run, force, now, if_needed;
};

#define SPAWN_OPTIONS \
	{ "cpus", required_argument, NULL, 'c' }, \
	{ "memory", required_argument, NULL, 'm' }, \
	{ "blocks", required_argument, NULL, 'b' }, \
	{ "append", required_argument, NULL, 'a' }, \
	{ "timeout", required_argument, NULL, 't' }, \
	{ "force", no_argument, NULL, 'f' }

static const struct option spawn_long_options[] = { SPAWN_OPTIONS, {} };

static const struct option upgrade_long_options[] = {
	SPAWN_OPTIONS,
	{ "soak", required_argument, NULL, 's' },
	{ "method", required_argument, NULL, 'M' },
	{ "hold", no_argument, NULL, 'h' },
	{ "now", no_argument, NULL, 'n' },
	{ "if-needed", no_argument, NULL, 'i' },
	{ "keep-failed", no_argument, NULL, 'k' },
	{ "no-rehearsal", no_argument, NULL, 'r' },
	{ "no-wait", no_argument, NULL, 'w' },
	{ "wait", no_argument, NULL, 'W' },
	{ "dry-run", no_argument, NULL, 'd' },
	{}
};

static int parse_flag(int option, struct spawn_options *opts)
{
	switch (option) {
	case 'h':
		opts->hold = true;
		return 0;
	case 'n':
		opts->now = true;
		return 0;
	case 'i':
		opts->if_needed = true;
		return 0;
	case 'k':
		opts->keep = true;
		return 0;
	case 'r':
		opts->no_rehearsal = true;
		return 0;
	case 'w':
		opts->no_wait = true;
		return 0;
	case 'W':
		opts->no_wait = false;
		return 0;
	case 'f':
		opts->force = true;
		return 0;
	case 'd':
		opts->dry_run = true;
		return 0;
	default:
		return KHO_EXIT_USAGE;
	}
}

static int parse_option(int option, struct spawn_options *opts)
{
	struct kho_err err;

	switch (option) {
	case 'c':
		opts->cpus = optarg;
		return 0;
	case 'b':
		opts->blocks = optarg;
		return 0;
	case 'a':
		opts->append = optarg;
		return 0;
	case 'M':
		if (strcmp(optarg, "spawn") != 0 && strcmp(optarg, "kexec") != 0)
			return kho_usage_error("--method: it's spawn or kexec, not '%s'", optarg);
		opts->method = optarg;
		return 0;
	case 's':
		if (kho_parse_u64(optarg, &opts->soak, &err) < 0)
			return kho_usage_error("--soak: %s", err.msg);
		return 0;
	case 'm':
		if (kho_parse_size(optarg, &opts->memory, &err) < 0)
			return kho_usage_error("--memory: %s", err.msg);
		return 0;
	case 't':
		if (kho_parse_u64(optarg, &opts->timeout, &err) < 0)
			return kho_usage_error("--timeout: %s", err.msg);
		return 0;
	default:
		return parse_flag(option, opts);
	}
}

static int parse_spawn(int argc, char **argv, const struct option *options,
		       struct spawn_options *opts)
{
	int option, r;

	opts->soak = UINT64_MAX;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		r = parse_option(option, opts);
		if (r)
			return r;
	}
	if (optind != argc - 1)
		return kho_usage_error("one target image is needed");
	opts->image = argv[optind];
	return 0;
}

static sd_json_variant *spawn_parameters(const struct spawn_options *opts)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	char *image = realpath(opts->image, NULL);
	int r;

	r = sd_json_buildo(
		&v,
		SD_JSON_BUILD_PAIR_STRING("image", image ?: opts->image),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->cpus, "cpus", SD_JSON_BUILD_STRING(opts->cpus)),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->blocks, "blocks",
					     SD_JSON_BUILD_STRING(opts->blocks)),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->append, "commandLine",
					     SD_JSON_BUILD_STRING(opts->append)),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->memory, "memoryBytes",
					     SD_JSON_BUILD_UNSIGNED(opts->memory)),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->timeout, "timeoutSec",
					     SD_JSON_BUILD_UNSIGNED(opts->timeout)),
		SD_JSON_BUILD_PAIR_CONDITION(opts->soak != UINT64_MAX, "soakSec",
					     SD_JSON_BUILD_UNSIGNED(opts->soak)),
		SD_JSON_BUILD_PAIR_CONDITION(opts->no_rehearsal, "noRehearsal",
					     SD_JSON_BUILD_BOOLEAN(true)),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->method, "method",
					     SD_JSON_BUILD_STRING(opts->method)),
		SD_JSON_BUILD_PAIR_CONDITION(opts->hold, "hold", SD_JSON_BUILD_BOOLEAN(true)),
		SD_JSON_BUILD_PAIR_CONDITION(opts->now, "now", SD_JSON_BUILD_BOOLEAN(true)),
		SD_JSON_BUILD_PAIR_CONDITION(opts->keep, "keepFailed",
					     SD_JSON_BUILD_BOOLEAN(true)),
		SD_JSON_BUILD_PAIR_CONDITION(opts->force, "force", SD_JSON_BUILD_BOOLEAN(true)));
	free(image);
	return r < 0 ? NULL : sd_json_variant_ref(v);
}

static int call_with(struct kho_call *call, const struct spawn_options *opts)
{
	call->parameters = spawn_parameters(opts);
	return kho_call_and_print(call);
}

int verb_spawn(int argc, char **argv)
{
	struct spawn_options opts = {};
	struct kho_call call = {
		.method = KHO_API_METHOD("Spawn"),
		.progress = kho_show_progress,
	};
	int r = parse_spawn(argc, argv, spawn_long_options, &opts);

	return r ?: call_with(&call, &opts);
}

static void print_name(sd_json_variant *name)
{
	printf(" %s", sd_json_variant_string(name));
}

/* What it costs, for whoever is to say yes. */
static void print_kexec(sd_json_variant *plan)
{
	printf("   kexec: no second kernel; workloads stand still for about %llu s, all else on this\n"
	       "          machine ends without being asked, and there's no way back to this kernel\n",
	       ((unsigned long long)kho_field_number(plan, "blackoutMs") + 999) / 1000);
	printf("    move:");
	kho_print_each(plan, "workloads", print_name);
	putchar('\n');
	if (kho_field_text(plan, "outsideWindow"))
		printf("     now: no: %s\n", kho_field_text(plan, "outsideWindow"));
	puts("khoctl check says what keeps workloads from moving");
}

static void print_plan(sd_json_variant *plan)
{
	unsigned long long frozen = kho_field_number(plan, "maxFrozenMs");

	printf("   image: %s\n", kho_field_text(plan, "image"));
	printf(" kernels: %s to %s\n", kho_field_text(plan, "oldRelease"),
	       kho_field_text(plan, "newRelease"));
	if (sd_json_variant_by_key(plan, "blackoutMs")) {
		print_kexec(plan);
		return;
	}
	printf("   spawn: on CPUs %s, with %llu MiB\n", kho_field_text(plan, "cpus"),
	       (unsigned long long)kho_field_number(plan, "memoryBytes") / KHO_MIB);
	printf("    move:");
	kho_print_each(plan, "workloads", print_name);
	if (frozen)
		printf("; frozen for %llu ms at most", frozen);
	printf("\n    soak: %llu s\n", (unsigned long long)kho_field_number(plan, "soakSec"));
	if (kho_field_text(plan, "outsideWindow"))
		printf("     now: no: %s\n", kho_field_text(plan, "outsideWindow"));
	puts("khoctl check says what keeps workloads from moving");
}

static int plan(const struct spawn_options *opts)
{
	struct kho_call call = {
		.method = KHO_API_METHOD("Plan"),
		.parameters = spawn_parameters(opts),
	};

	return kho_call_and_show(&call, NULL, print_plan);
}

int verb_plan(int argc, char **argv)
{
	struct spawn_options opts = {};
	int r = parse_spawn(argc, argv, upgrade_long_options, &opts);

	return r ?: plan(&opts);
}

static void print_unneeded(const char *release)
{
	_cleanup_variant_ sd_json_variant *v = NULL;

	if (!arg_json)
		printf("%s runs already; nothing is to be done\n", release);
	else if (sd_json_buildo(&v, SD_JSON_BUILD_PAIR_BOOLEAN("needed", false),
				SD_JSON_BUILD_PAIR_STRING("release", release)) >= 0)
		kho_print_json(v);
}

/* Whether the running kernel is of another release than the image's. */
static int is_needed(const char *path, bool *ret, struct kho_err *err)
{
	struct kho_image_dir dir = { .fd = -EBADF };
	struct utsname name;
	int r = kho_image_dir_open(path, &dir, err);

	uname(&name);
	if (r >= 0)
		*ret = strcmp(dir.manifest.release, name.release) != 0;
	kho_image_dir_done(&dir);
	if (r >= 0 && !*ret)
		print_unneeded(name.release);
	return r;
}

static int upgrade(const struct spawn_options *opts)
{
	struct kho_call call = { .method = KHO_API_METHOD("Start") };

	/* a call that isn't for its progress is answered at once */
	if (!opts->no_wait)
		call.progress = kho_show_progress;
	return call_with(&call, opts);
}

int verb_upgrade(int argc, char **argv)
{
	struct spawn_options opts = {};
	bool needed = true;
	struct kho_err err;
	int r = parse_spawn(argc, argv, upgrade_long_options, &opts);

	if (r)
		return r;
	if (opts.if_needed && is_needed(opts.image, &needed, &err) < 0)
		return kho_report(&err);
	if (!needed)
		return KHO_EXIT_OK;
	return opts.dry_run ? plan(&opts) : upgrade(&opts);
}
