// SPDX-License-Identifier: GPL-2.0-only
/* khoctl image build, show: target images. Needs no agent. image_list.c has the others. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/version.h"
#include "image/build.h"
#include "image/dir.h"
#include "image/system.h"
#include "image/system_file.h"
#include "khoctl/khoctl.h"

#define MAX_LIST 64

struct list {
	const char *items[MAX_LIST + 1];
	size_t nr;
};

struct build_options {
	struct kho_image_spec spec;
	struct list modules, programs, excludes;
	bool system;
	struct kho_image_extra extras[MAX_LIST];
};

static const struct option build_long_options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "append", required_argument, NULL, 'a' },
	{ "module", required_argument, NULL, 'm' },
	{ "program", required_argument, NULL, 'p' },
	{ "file", required_argument, NULL, 'f' },
	{ "system", no_argument, NULL, 's' },
	{ "exclude", required_argument, NULL, 'x' },
	{ "replace", no_argument, NULL, 'r' },
	{}
};

static int add(struct list *list, const char *item)
{
	if (list->nr == MAX_LIST)
		return kho_usage_error("more than %d of one kind", MAX_LIST);
	list->items[list->nr++] = item;
	return 0;
}

/* SOURCE or SOURCE:DEST */
static int add_extra(struct build_options *opts, char *text)
{
	struct kho_image_extra *extra = &opts->extras[opts->spec.nr_extras];
	char *colon = strchr(text, ':');

	if (opts->spec.nr_extras == MAX_LIST)
		return kho_usage_error("more than %d files", MAX_LIST);
	if (colon)
		*colon = '\0';
	extra->source = text;
	extra->dest = colon ? colon + 1 : NULL;
	opts->spec.nr_extras++;
	return 0;
}

static int parse_build_option(int option, struct build_options *opts)
{
	switch (option) {
	case 'o':
		opts->spec.output_dir = optarg;
		return 0;
	case 'a':
		opts->spec.cmdline = optarg;
		return 0;
	case 'm':
		return add(&opts->modules, optarg);
	case 'p':
		return add(&opts->programs, optarg);
	case 'f':
		return add_extra(opts, optarg);
	case 's':
		opts->system = true;
		return 0;
	case 'x':
		return add(&opts->excludes, optarg[0] == '/' ? optarg + 1 : optarg);
	case 'r':
		opts->spec.replace = true;
		return 0;
	default:
		return KHO_EXIT_USAGE;
	}
}

static void print_dir(const char *path, const struct kho_manifest *manifest)
{
	_cleanup_variant_ sd_json_variant *v = NULL;

	if (!arg_json)
		printf("%s: kernel %s, made %s, whole\n", path, manifest->release, manifest->created);
	else if (sd_json_buildo(&v, SD_JSON_BUILD_PAIR_STRING("name", manifest->name),
				SD_JSON_BUILD_PAIR_STRING("release", manifest->release),
				SD_JSON_BUILD_PAIR_STRING("path", path)) >= 0)
		kho_print_json(v);
}

static int show_dir(const char *path)
{
	struct kho_image_dir dir = { .fd = -EBADF };
	struct kho_err err;
	int r = kho_image_dir_open(path, &dir, &err);

	if (r >= 0)
		r = kho_image_dir_verify(&dir, &err);
	if (r >= 0)
		print_dir(path, &dir.manifest);
	kho_image_dir_done(&dir);
	return r < 0 ? kho_report(&err) : KHO_EXIT_OK;
}

/* The system goes into a file beside the image, and from there into the initramfs. */
static int build_with_system(struct build_options *opts, struct kho_err *err)
{
	struct kho_system_file file;
	const struct kho_image_system system = {
		.root = opts->spec.root,
		.release = opts->spec.release,
		.output = file.path,
		.excludes = opts->excludes.items,
	};
	int r = kho_system_file_make(opts->spec.output_dir, opts->spec.name, &file, err);

	if (r < 0)
		return r;
	for (int i = 0; kho_image_system_modules[i] && !r; i++)
		r = add(&opts->modules, kho_image_system_modules[i]);
	if (!r)
		r = add_extra(opts, file.path);
	if (r)
		r = kho_fail(err, -E2BIG, "too many modules or files are asked for");
	else
		opts->extras[opts->spec.nr_extras - 1] = (struct kho_image_extra){
			.source = file.path, .dest = KHO_IMAGE_SYSTEM, .packed = true,
		};
	opts->spec.has_system = true;
	if (r >= 0)
		r = kho_image_make_system(&system, err);
	if (r >= 0)
		r = kho_image_build(&opts->spec, err);
	kho_system_file_done(&file);
	return r;
}

int kho_image_build_verb(int argc, char **argv, const char *created_by)
{
	struct build_options opts = {
		.spec = {
			.output_dir = KHO_IMAGE_DIR,
			.root = "/",
			.created_by = created_by,
			.optional_modules = kho_image_common_modules,
		},
	};
	char path[512];
	struct kho_err err;
	int option, r;

	optind = 0;
	while ((option = getopt_long(argc, argv, "", build_long_options, NULL)) != -1) {
		r = parse_build_option(option, &opts);
		if (r)
			return r;
	}
	if (optind != argc - 2)
		return kho_usage_error("image build takes a name and a kernel release");
	opts.spec.name = argv[optind];
	opts.spec.release = argv[optind + 1];
	opts.spec.created = time(NULL);
	opts.spec.modules = opts.modules.items;
	opts.spec.programs = opts.programs.items;
	opts.spec.extras = opts.extras;
	r = opts.system ? build_with_system(&opts, &err) : kho_image_build(&opts.spec, &err);
	if (r < 0)
		return kho_report(&err);
	snprintf(path, sizeof(path), "%s/%s", opts.spec.output_dir, opts.spec.name);
	return show_dir(path);
}

static int build(int argc, char **argv)
{
	return kho_image_build_verb(argc, argv, "khoctl " KHO_VERSION);
}

static int show(int argc, char **argv)
{
	return argc == 2 ? show_dir(argv[1]) : kho_usage_error("image %s takes a folder", argv[0]);
}

int verb_image(int argc, char **argv)
{
	static const struct {
		const char *name;
		kho_verb_fn run;
	} verbs[] = {
		{ "build", build },
		{ "show", show },
		{ "list", verb_image_list },
		{ "inspect", verb_image_inspect },
		{ "clear", verb_image_clear },
		{ "stage", verb_image_stage },
		{ "unstage", verb_image_unstage },
	};

	for (size_t i = 0; argc >= 2 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	return kho_usage_error("image takes build NAME RELEASE, list, inspect FOLDER, show FOLDER, "
			       "clear DIGEST, stage RELEASE, or unstage RELEASE");
}
