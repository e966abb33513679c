// SPDX-License-Identifier: GPL-2.0-only
/* Plan, write, hash, put in place: a build from beginning to end. build.h says what's in it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/dir.h"
#include "image/manifest.h"
#include "image/plan.h"
#include "image/store.h"

struct build {
	struct kho_image_plan *plan;
	struct kho_image_store store;
	struct kho_manifest manifest;
};

static void done(struct build *build)
{
	kho_image_plan_free(build->plan);
	kho_image_store_done(&build->store);
	kho_manifest_done(&build->manifest);
}

static int check_spec(const struct kho_image_spec *spec, struct kho_err *err)
{
	size_t i;
	int r;

	if (!spec->name || !spec->output_dir || !spec->root || !spec->release || !spec->created_by)
		return kho_fail(err, -EINVAL, "image: name, output directory, root, release or "
				"creator is missing; give all five");
	r = kho_image_check_name(spec->name, err);
	if (r == 0)
		r = kho_image_check_release(spec->release, err);
	for (i = 0; r == 0 && i < spec->nr_extras; i++) {
		if (!spec->extras[i].source)
			r = kho_fail(err, -EINVAL, "image: extra file %zu has no source; give one",
				     i);
	}
	return r;
}

/* ---- files of the image ---- */

/* An archive straight into @file, if there's something for it. */
static int write_packed(const struct kho_image_plan *plan, struct kho_sink_file *file,
			struct kho_err *err)
{
	_cleanup_(kho_cpio_done) struct kho_cpio cpio = { 0 };
	int r;

	kho_cpio_init(&cpio, &file->sink);
	r = kho_image_packed_write(plan, &cpio, err);
	return r < 0 || !cpio.size ? r : kho_cpio_finish(&cpio, err);
}

/* An archive through a compressor into @file. */
static int write_rest(const struct kho_image_plan *plan, struct kho_sink_file *file,
		      struct kho_err *err)
{
	_cleanup_(kho_compressor_done) struct kho_compressor compressor = { 0 };
	_cleanup_(kho_cpio_done) struct kho_cpio cpio = { 0 };
	int r;

	r = kho_compressor_init(&compressor, plan->compression, plan->spec->level, &file->sink,
				err);
	if (r < 0)
		return r;
	kho_cpio_init(&cpio, &compressor.sink);
	r = kho_image_contents_write(plan, &cpio, err);
	if (r == 0)
		r = kho_cpio_finish(&cpio, err);
	return r < 0 ? r : kho_compressor_finish(&compressor, err);
}

/* The kernel takes any number of them, one after the other, compressed or not. */
static int write_archives(const struct kho_image_plan *plan, struct kho_sink_file *file,
			  struct kho_err *err)
{
	int r = write_packed(plan, file, err);

	return r < 0 ? r : write_rest(plan, file, err);
}

static int write_kernel(const struct kho_image_plan *plan, struct kho_sink_file *file,
			struct kho_err *err)
{
	return file->sink.write(&file->sink, plan->kernel.data, plan->kernel.size, err);
}

static int write_cmdline(const struct kho_image_plan *plan, struct kho_sink_file *file,
			 struct kho_err *err)
{
	const char *cmdline = plan->spec->cmdline ? plan->spec->cmdline : "";
	int r;

	r = file->sink.write(&file->sink, cmdline, strlen(cmdline), err);
	return r < 0 ? r : file->sink.write(&file->sink, "\n", 1, err);
}

/* The initramfs has what's in /etc and is nobody else's business. */
static const struct {
	int (*write)(const struct kho_image_plan *, struct kho_sink_file *, struct kho_err *);
	mode_t mode;
} writers[KHO_IMAGE_NR_FILES] = {
	[KHO_IMAGE_KERNEL] = { write_kernel, 0644 },
	[KHO_IMAGE_INITRAMFS] = { write_archives, 0600 },
	[KHO_IMAGE_CMDLINE] = { write_cmdline, 0644 },
};

static int write_file(struct build *build, enum kho_image_file which, struct kho_err *err)
{
	_cleanup_(kho_sink_file_done) struct kho_sink_file file = { 0 };
	struct kho_image_digest *digest = &build->manifest.files[which];
	const char *name = kho_image_file_name(which);
	_cleanup_close_ int fd = -EBADF;
	int r;

	r = kho_image_store_create(&build->store, name, writers[which].mode, &fd, err);
	if (r == 0)
		r = kho_sink_file_init(&file, fd, err);
	if (r == 0)
		r = writers[which].write(build->plan, &file, err);
	if (r == 0)
		r = kho_sink_file_digest(&file, digest->sha256, err);
	if (r < 0)
		return kho_wrap(err, r, "%s", name);
	digest->size = file.size;
	return 0;
}

/* ---- the manifest ---- */

static int format_time(int64_t seconds, char *ret, size_t size)
{
	time_t t = seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(ret, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return -EINVAL;
	return 0;
}

static int add_text(void *ctx, const char *text, struct kho_err *err)
{
	int r = kho_strset_add(ctx, text, 0);

	return r < 0 ? kho_fail_errno(err, r, "image: list of devices") : 0;
}

/* What the kernel of the image can drive. */
static int list_devices(struct build *build, struct kho_err *err)
{
	const struct kho_modules_each devices = { add_text, &build->manifest.devices };
	const struct kho_modules_each builtin = { add_text, &build->manifest.builtin };
	const struct kho_modules *modules = build->plan->modules;
	bool all = build->plan->spec->has_system;
	int r;

	r = kho_modules_each_alias(modules, "pci:", all, &devices, err);
	if (r == 0)
		r = kho_modules_each_alias(modules, "virtio:", all, &devices, err);
	if (r == 0)
		r = kho_modules_each_builtin(modules, &builtin, err);
	/* more than a manifest can have: then it isn't known, as of older images */
	build->manifest.has_devices = build->manifest.devices.nr <= KHO_MANIFEST_DEVICES &&
				      build->manifest.builtin.nr <= KHO_MANIFEST_BUILTIN;
	return r;
}

static int fill_manifest(struct build *build, struct kho_err *err)
{
	const struct kho_image_spec *spec = build->plan->spec;
	struct kho_manifest *manifest = &build->manifest;
	size_t i;
	int r;

	snprintf(manifest->name, sizeof(manifest->name), "%s", spec->name);
	snprintf(manifest->release, sizeof(manifest->release), "%s", spec->release);
	snprintf(manifest->created_by, sizeof(manifest->created_by), "%s", spec->created_by);
	snprintf(manifest->compression, sizeof(manifest->compression), "%s",
		 kho_compression_name(build->plan->compression));
	snprintf(manifest->kho, sizeof(manifest->kho), "%s", build->plan->kho);
	snprintf(manifest->system, sizeof(manifest->system), "%s", spec->has_system ? "yes" : "");
	snprintf(manifest->boot_cpu, sizeof(manifest->boot_cpu), "%s",
		 build->plan->any_boot_cpu ? KHO_BOOT_CPU_ANY : "");
	if (format_time(spec->created, manifest->created, sizeof(manifest->created)) < 0)
		return kho_fail(err, -EINVAL, "image: its time of creation is no date; set the "
				"clock");
	for (i = 0; i < kho_modules_nr_wanted(build->plan->modules); i++) {
		r = kho_strset_add(&manifest->modules,
				   kho_modules_wanted(build->plan->modules, i), 0);
		if (r < 0)
			return kho_fail_errno(err, r, "image: list of modules");
	}
	if (manifest->modules.nr > KHO_MANIFEST_MODULES)
		return kho_fail(err, -E2BIG, "image: %zu modules, at most %d go in; ask for fewer",
				manifest->modules.nr, KHO_MANIFEST_MODULES);
	return list_devices(build, err);
}

static int write_manifest(struct build *build, struct kho_err *err)
{
	_cleanup_(kho_sink_memory_done) struct kho_sink_memory text = { 0 };
	_cleanup_(kho_sink_file_done) struct kho_sink_file file = { 0 };
	_cleanup_close_ int fd = -EBADF;
	int r;

	kho_sink_memory_init(&text, KHO_MANIFEST_MAX);
	r = kho_manifest_write(&build->manifest, &text.sink, err);
	if (r == 0)
		r = kho_image_store_create(&build->store, KHO_IMAGE_MANIFEST, 0644, &fd, err);
	if (r == 0)
		r = kho_sink_file_init(&file, fd, err);
	return r < 0 ? r : file.sink.write(&file.sink, text.data, text.size, err);
}

int kho_image_build(const struct kho_image_spec *spec, struct kho_err *err)
{
	_cleanup_(done) struct build build = { .store = { .parent = -EBADF, .dir = -EBADF } };
	int i, r;

	r = check_spec(spec, err);
	if (r == 0)
		r = kho_image_plan_new(spec, &build.plan, err);
	if (r == 0)
		r = fill_manifest(&build, err);
	if (r == 0)
		r = kho_image_store_begin(spec->output_dir, spec->name, &build.store, err);
	for (i = 0; r == 0 && i < KHO_IMAGE_NR_FILES; i++)
		r = write_file(&build, (enum kho_image_file)i, err);
	if (r == 0)
		r = write_manifest(&build, err);
	if (r == 0)
		r = kho_image_store_commit(&build.store, spec->replace, err);
	if (r < 0)
		return kho_wrap(err, r, "image %s", spec->name ? spec->name : "without a name");
	return 0;
}
