// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds everything an image needs and refuses what can't work: a kernel of another
 * release, a module built for another kernel, a program without its libraries.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "image/elf.h"
#include "image/kconfig.h"
#include "image/manifest.h"
#include "image/plan.h"
#include "spawn/image.h"

#define MAX_KERNEL	(256u << 20)
#define MAX_TEXT	(64u << 20)
#define MAX_MODULE	(64u << 20)

static const char *const program_dirs[] = {
	"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin",
};

static const char *const base_programs[] = {
	"/usr/bin/busybox", "modprobe", "insmod", "rmmod", "lsmod", "kho-agent", "khoctl", NULL
};

static const char *const base_optional_programs[] = { "criu", NULL };

/* Where a module that depmod doesn't know may lie, below the release's modules. */
static const char *const module_dirs[] = { "updates/dkms", "updates", "extra" };
static const char *const module_suffixes[] = { "", ".xz", ".zst", ".gz" };

const char *const kho_image_common_modules[] = {
	"virtio_pci", "virtio_blk", "virtio_net", "nvme", "ext4", "overlay",
	"unix_diag", "inet_diag", "tcp_diag", "udp_diag", "af_packet_diag", "netlink_diag",
	"tun", "veth", "nf_tables", "nft_ct", "nfnetlink_queue", "sch_plug", "sch_ingress",
	"act_mirred", NULL
};

static int join(char ret[PATH_MAX], const char *dir, const char *name, struct kho_err *err)
{
	if (snprintf(ret, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
		return kho_fail(err, -ENAMETOOLONG, "%s/%.40s...: the path is too long; shorten it",
				dir, name);
	return 0;
}

/* ---- the kernel ---- */

static int check_cmdline(const struct kho_image_spec *spec, const struct kho_image *kernel,
			 struct kho_err *err)
{
	const char *cmdline = spec->cmdline ? spec->cmdline : "", *at;
	size_t size = strlen(cmdline);

	for (at = cmdline; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return kho_fail(err, -EINVAL, "command line: control character %#x at "
					"position %zu; give one plain line",
					(unsigned char)*at, (size_t)(at - cmdline));
	}
	if (size > kernel->cmdline_size)
		return kho_fail(err, -EINVAL, "command line: %zu characters, this kernel takes %u; "
				"shorten it", size, kernel->cmdline_size);
	return 0;
}

/* What the release's own package has as /boot/@name-<release>, or beside its modules. */
static int package_path(const struct kho_image_plan *plan, const char *name, char ret[PATH_MAX],
			struct kho_err *err)
{
	if (snprintf(ret, PATH_MAX, "/boot/%s-%s", name, plan->spec->release) < PATH_MAX &&
	    kho_rootfs_has_file(&plan->root, ret))
		return 0;
	return join(ret, plan->modules_dir, name, err);
}

static int given_path(const char *path, char ret[PATH_MAX], struct kho_err *err)
{
	if (snprintf(ret, PATH_MAX, "%s", path) >= PATH_MAX)
		return kho_fail(err, -ENAMETOOLONG, "%.60s...: the path is too long; shorten it",
				path);
	return 0;
}

static int read_kernel(struct kho_image_plan *plan, struct kho_err *err)
{
	const struct kho_image_spec *spec = plan->spec;
	char path[PATH_MAX];
	struct kho_image image;
	int r;

	if (spec->kernel)
		r = given_path(spec->kernel, path, err);
	else
		r = package_path(plan, "vmlinuz", path, err);
	if (r == 0)
		r = kho_rootfs_read(&plan->root, path, MAX_KERNEL, &plan->kernel, err);
	if (r < 0)
		return kho_wrap(err, r, "kernel of release %s (install its package, or name its "
				"file)", spec->release);
	r = kho_image_parse(plan->kernel.data, plan->kernel.size, &image, err);
	if (r < 0)
		return kho_wrap(err, r, "kernel %s", path);
	if (strcmp(image.release, spec->release) != 0)
		return kho_fail(err, -EINVAL, "kernel %s is release %s, not %s; give the kernel or "
				"the release that fits", path, image.release, spec->release);
	return check_cmdline(spec, &image, err);
}

static int find_kho_version(struct kho_image_plan *plan, const struct kho_rootfs_file *config,
			    struct kho_err *err)
{
	struct kho_image image;
	int r = kho_image_parse(plan->kernel.data, plan->kernel.size, &image, err);

	return r < 0 ? r : kho_version_find(&image, config->data, config->size, plan->kho, err);
}

/* Without the kernel's configuration the choices are safe ones. */
static int ask_config(struct kho_image_plan *plan, struct kho_err *err)
{
	_cleanup_rootfs_file_ struct kho_rootfs_file config = { 0 };
	char path[PATH_MAX];
	int r;

	if (package_path(plan, "config", path, NULL) == 0)
		(void)kho_rootfs_read(&plan->root, path, MAX_TEXT, &config, NULL);
	plan->any_boot_cpu = kho_kconfig_has(config.data, config.size, "CONFIG_X86_ANY_BOOT_CPU");
	r = find_kho_version(plan, &config, err);
	return r < 0 ? r : kho_compression_choose(plan->spec->compression, config.data, config.size,
				      &plan->compression, err);
}

/* ---- modules ---- */

static struct kho_text as_text(const struct kho_rootfs_file *file)
{
	return (struct kho_text){ file->data, file->size };
}

static int read_text(const struct kho_image_plan *plan, const char *name,
		     struct kho_rootfs_file *ret, struct kho_err *err)
{
	char path[PATH_MAX];
	int r;

	r = join(path, plan->modules_dir, name, err);
	return r < 0 ? r : kho_rootfs_read(&plan->root, path, MAX_TEXT, ret, err);
}

static int parse_modules(struct kho_image_plan *plan, struct kho_err *err)
{
	_cleanup_rootfs_file_ struct kho_rootfs_file dep = { 0 }, builtin = { 0 };
	_cleanup_rootfs_file_ struct kho_rootfs_file info = { 0 }, alias = { 0 }, softdep = { 0 };
	struct kho_modules_text text;
	int r;

	r = read_text(plan, "modules.dep", &dep, err);
	if (r < 0)
		return kho_wrap(err, r, "modules of release %s (install its package, run depmod)",
				plan->spec->release);
	(void)read_text(plan, "modules.builtin", &builtin, NULL);
	(void)read_text(plan, "modules.builtin.modinfo", &info, NULL);
	(void)read_text(plan, "modules.alias", &alias, NULL);
	(void)read_text(plan, "modules.softdep", &softdep, NULL);
	text = (struct kho_modules_text){
		.dep = as_text(&dep),
		.builtin = as_text(&builtin),
		.builtin_info = as_text(&info),
		.alias = as_text(&alias),
		.softdep = as_text(&softdep),
	};
	r = kho_modules_parse(&text, &plan->modules, err);
	if (r < 0)
		return kho_wrap(err, r, "%s", plan->modules_dir);
	return 0;
}

typedef int want_fn(struct kho_modules *modules, const char *name, struct kho_err *err);

static int want_list(struct kho_image_plan *plan, const char *const *list, want_fn *want,
		     struct kho_err *err)
{
	int r;

	for (; list && *list; list++) {
		r = want(plan->modules, *list, err);
		if (r < 0)
			return kho_wrap(err, r, "release %s", plan->spec->release);
	}
	return 0;
}

static int want_optional(struct kho_image_plan *plan, const char *const *list, struct kho_err *err)
{
	int r;

	for (; list && *list; list++) {
		r = kho_modules_want(plan->modules, *list, err);
		if (r < 0 && r != -ENOENT)
			return kho_wrap(err, r, "release %s", plan->spec->release);
	}
	return 0;
}

/* ---- multikernel.ko ---- */

static int seek_module(struct kho_image_plan *plan, struct kho_err *err)
{
	const char *known = kho_modules_path(plan->modules, "multikernel");
	size_t i, j;
	int r;

	if (plan->spec->module)
		return given_path(plan->spec->module, plan->module, err);
	if (known) {
		r = kho_modules_want(plan->modules, "multikernel", err);
		return r < 0 ? r : join(plan->module, plan->modules_dir, known, err);
	}
	for (i = 0; i < KHO_ARRAY_SIZE(module_dirs); i++) {
		for (j = 0; j < KHO_ARRAY_SIZE(module_suffixes); j++) {
			snprintf(plan->module, PATH_MAX, "/usr/lib/modules/%s/%s/multikernel.ko%s",
				 plan->spec->release, module_dirs[i], module_suffixes[j]);
			if (kho_rootfs_has_file(&plan->root, plan->module))
				return 0;
		}
	}
	return kho_fail(err, -ENOENT, "there's no multikernel.ko for release %s; build and install "
			"it for that release, or name its file", plan->spec->release);
}

/* "7.3.4+deb13-cloud-amd64 SMP preempt mod_unload modversions" */
static int check_vermagic(const struct kho_image_plan *plan, const struct kho_rootfs_file *file,
			  struct kho_err *err)
{
	const char *vermagic;
	size_t size;
	int r;

	r = kho_elf_modinfo(file->data, file->size, "vermagic", &vermagic, err);
	if (r < 0)
		return kho_wrap(err, r, "%s", plan->module);
	size = strcspn(vermagic, " ");
	if (size != strlen(plan->spec->release) || memcmp(vermagic, plan->spec->release, size) != 0)
		return kho_fail(err, -EINVAL, "%s is built for kernel %.*s, not %s; build it for "
				"that release", plan->module, (int)size, vermagic,
				plan->spec->release);
	return 0;
}

/* "a,b": insmod doesn't load those, so they have to be there for modprobe. */
static int want_depends(struct kho_image_plan *plan, const struct kho_rootfs_file *file,
			struct kho_err *err)
{
	_cleanup_free_ char *copy = NULL;
	const char *depends;
	char *name, *rest;
	int r = 0;

	if (kho_elf_modinfo(file->data, file->size, "depends", &depends, NULL) < 0)
		return 0;
	copy = strdup(depends);
	if (!copy)
		return kho_fail(err, -ENOMEM, "%s: out of memory; free some and try again",
				plan->module);
	for (name = strtok_r(copy, ",", &rest); r == 0 && name; name = strtok_r(NULL, ",", &rest))
		r = kho_modules_want(plan->modules, name, err);
	return r < 0 ? kho_wrap(err, r, "%s", plan->module) : 0;
}

const char *kho_image_module_suffix(const char *path)
{
	const char *base = strrchr(path, '/');
	const char *ko = strstr(base ? base : path, ".ko");
	size_t i;

	for (i = 0; ko && i < KHO_ARRAY_SIZE(module_suffixes); i++) {
		if (strcmp(ko + 3, module_suffixes[i]) == 0)
			return module_suffixes[i];
	}
	return NULL;
}

/* A compressed one can't be looked into; it's then known by where it lies. */
static int find_module(struct kho_image_plan *plan, struct kho_err *err)
{
	_cleanup_rootfs_file_ struct kho_rootfs_file file = { 0 };
	const char *suffix;
	int r;

	r = seek_module(plan, err);
	if (r < 0)
		return r;
	suffix = kho_image_module_suffix(plan->module);
	if (!suffix)
		return kho_fail(err, -EINVAL, "%s is no module's name; give a .ko, .ko.xz, .ko.zst "
				"or .ko.gz file", plan->module);
	r = kho_rootfs_read(&plan->root, plan->module, MAX_MODULE, &file, err);
	if (r < 0)
		return kho_wrap(err, r, "multikernel.ko");
	if (suffix[0])
		return 0;
	r = check_vermagic(plan, &file, err);
	return r < 0 ? r : want_depends(plan, &file, err);
}

/* ---- programs ---- */

static bool find_program(const struct kho_image_plan *plan, const char *name, char ret[PATH_MAX])
{
	size_t i;

	if (strchr(name, '/'))
		return snprintf(ret, PATH_MAX, "%s", name) < PATH_MAX &&
		       kho_rootfs_has_file(&plan->root, ret);
	for (i = 0; i < KHO_ARRAY_SIZE(program_dirs); i++) {
		if (snprintf(ret, PATH_MAX, "%s/%s", program_dirs[i], name) < PATH_MAX &&
		    kho_rootfs_has_file(&plan->root, ret))
			return true;
	}
	return false;
}

static int add_programs(struct kho_image_plan *plan, const char *const *list, bool optional,
			struct kho_err *err)
{
	char path[PATH_MAX];
	int r;

	for (; list && *list; list++) {
		if (!find_program(plan, *list, path)) {
			if (optional)
				continue;
			return kho_fail(err, -ENOENT, "program %s is not in %s; install the "
					"package that has it", *list, plan->root.path);
		}
		r = kho_libs_add(&plan->libs, path, err);
		if (r < 0)
			return kho_wrap(err, r, "program %s", *list);
	}
	return 0;
}

static int find_programs(struct kho_image_plan *plan, struct kho_err *err)
{
	const struct kho_image_spec *spec = plan->spec;
	int r;

	r = kho_libs_init(&plan->libs, &plan->root, err);
	if (r == 0)
		r = add_programs(plan, base_programs, false, err);
	if (r == 0)
		r = add_programs(plan, base_optional_programs, true, err);
	if (r == 0)
		r = add_programs(plan, spec->programs, false, err);
	return r < 0 ? r : add_programs(plan, spec->optional_programs, true, err);
}

/* ---- all of it ---- */

static void free_plan(struct kho_image_plan **plan)
{
	kho_image_plan_free(*plan);
}

static int find_all(struct kho_image_plan *plan, struct kho_err *err)
{
	const struct kho_image_spec *spec = plan->spec;
	int r;

	r = read_kernel(plan, err);
	if (r == 0)
		r = ask_config(plan, err);
	if (r == 0)
		r = parse_modules(plan, err);
	if (r == 0)
		r = want_list(plan, spec->modules, kho_modules_want, err);
	if (r == 0)
		r = want_list(plan, spec->modaliases, kho_modules_want_alias, err);
	if (r == 0)
		r = want_optional(plan, spec->optional_modules, err);
	if (r == 0)
		r = find_module(plan, err);
	return r < 0 ? r : find_programs(plan, err);
}

int kho_image_plan_new(const struct kho_image_spec *spec, struct kho_image_plan **ret,
		       struct kho_err *err)
{
	_cleanup_(free_plan) struct kho_image_plan *plan = calloc(1, sizeof(*plan));
	int r;

	if (!plan)
		return kho_fail(err, -ENOMEM, "image: out of memory; free some and try again");
	plan->spec = spec;
	plan->root.fd = -EBADF;
	snprintf(plan->modules_dir, PATH_MAX, "/usr/lib/modules/%s", spec->release);
	r = kho_rootfs_open(spec->root, &plan->root, err);
	if (r == 0)
		r = find_all(plan, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(plan);
	return 0;
}

void kho_image_plan_free(struct kho_image_plan *plan)
{
	if (!plan)
		return;
	kho_rootfs_done(&plan->root);
	kho_rootfs_file_done(&plan->kernel);
	kho_modules_free(plan->modules);
	kho_libs_done(&plan->libs);
	free(plan);
}
