// SPDX-License-Identifier: GPL-2.0-only
/* Upgrades by kexec; upgrade_kexec.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/admit.h"
#include "agent/bequeath.h"
#include "agent/rollback.h"
#include "agent/upgrade_kexec.h"
#include "agent/upgrade_private.h"
#include "base/bits.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "image/dir.h"
#include "migrate/criu/abilities.h"
#include "migrate/workload/cgroup.h"
#include "migrate/workload/unit.h"
#include "system/kexec.h"
#include "system/luo.h"
#include "system/memory.h"
#include "system/proc.h"
#include "upgrade/kexec_cost.h"

#define KERNEL_MAX	(256u << 20)
#define CONFIG_MAX	(4u << 20)
#define MEMORY_LEFT	(64 * KHO_MIB)
#define ASK_MS		10000
#define CMDLINE_MAX	8192u

/* ---- the kernels ---- */

/* What the running kernel speaks, by its file. */
static int running_version(const char *release, char ret[KHO_VERSION_TEXT], struct kho_err *err)
{
	_cleanup_free_ char *kernel = NULL, *config = NULL;
	size_t size, config_size = 0;
	struct kho_image image;
	char path[128];
	int r;

	snprintf(path, sizeof(path), "/boot/config-%s", release);
	(void)kho_file_read(path, CONFIG_MAX, &config, &config_size, NULL);
	snprintf(path, sizeof(path), "/boot/vmlinuz-%s", release);
	r = kho_file_read(path, KERNEL_MAX, &kernel, &size, err);
	if (r >= 0)
		r = kho_image_parse(kernel, size, &image, err);
	if (r >= 0)
		r = kho_version_find(&image, config, config_size, ret, err);
	return r < 0 ? kho_wrap(err, r, "which KHO this kernel speaks isn't known") : 0;
}

static int check_versions(const struct kho_manifest *manifest, struct kho_err *err)
{
	char own[KHO_VERSION_TEXT];
	struct utsname name;
	bool native;
	int r = kho_build_is_native(manifest, &native, err);

	if (r < 0)
		return r;
	if (!native)
		return kho_fail(err, -EOPNOTSUPP, "the image's kernel has no KHO; upgrade by a spawn, or "
				"build the image of a kernel that has it");
	uname(&name);
	/* it's the same kernel */
	if (strcmp(name.release, manifest->release) == 0)
		return 0;
	r = running_version(name.release, own, err);
	if (r >= 0 && strcmp(own, manifest->kho) != 0)
		return kho_fail(err, -EPROTONOSUPPORT, "this kernel's KHO is %s, the image's %s; upgrade "
				"by a spawn", own, manifest->kho);
	return r;
}

/* Of this kernel. What the next one can do an image doesn't say. */
static int check_abilities(const struct kho_agent *agent, struct kho_err *err)
{
	for (unsigned int i = 0; i < _KHO_ABILITY_MAX; i++)
		if (!(agent->abilities & 1u << i))
			return kho_fail(err, -EOPNOTSUPP, "this kernel has no %s, which CRIU needs; "
					"run another kernel first",
					kho_ability_name(i));
	return 0;
}

static int check_kernel(struct kho_agent *agent, struct kho_err *err)
{
	int device, r;

	if (agent->spawned)
		return kho_fail(err, -EOPNOTSUPP, "this kernel was spawned, and there's no kexec from "
				"such a one; upgrade by a spawn");
	if (!*agent->criu_version)
		return kho_fail(err, -ENOENT, "CRIU is missing; install it, also in the target image");
	device = kho_luo_open(err);
	if (device < 0)
		return device;
	close(device);
	r = check_abilities(agent, err);
	return r < 0 ? r : kho_kexec_check(err);
}

static int check_image(const char *path, uint64_t *ret_size, struct kho_err *err)
{
	struct kho_image_dir dir = { .fd = -EBADF };
	int r = kho_image_dir_open(path, &dir, err);

	if (r < 0)
		return kho_wrap(err, r, "target image");
	*ret_size = dir.manifest.files[KHO_IMAGE_INITRAMFS].size;
	if (strcmp(dir.manifest.system, "yes") != 0)
		r = kho_fail(err, -EOPNOTSUPP, "the image has no system in it that workloads could be "
			     "restored in; build it with --system");
	else
		r = check_versions(&dir.manifest, err);
	kho_image_dir_done(&dir);
	return r < 0 ? kho_wrap(err, r, "%s", path) : 0;
}

/* ---- the workloads ---- */

static int add_memory(const struct kho_config_workload *workload, uint64_t *sum,
		      struct kho_err *err)
{
	struct kho_unit unit;
	int r = kho_unit_show(workload->unit, &unit, err);

	if (r >= 0 && *unit.cgroup)
		*sum += kho_cgroup_memory(unit.cgroup);
	return r < 0 ? kho_wrap(err, r, "workload %s", workload->name) : 0;
}

static int check_config(struct kho_agent *agent, const struct kho_config *config,
			uint64_t *ret_memory, struct kho_err *err)
{
	uint64_t available = 0;
	int r = 0;

	if (!config->nr_workloads)
		return kho_fail(err, -EOPNOTSUPP, "no workload is configured; systemctl kexec does all "
				"that's to be done");
	*ret_memory = 0;
	for (unsigned int i = 0; i < config->nr_workloads && r >= 0; i++)
		r = add_memory(&config->workloads[i], ret_memory, err);
	if (r >= 0)
		r = kho_memory_available(&agent->root, &available, err);
	if (r < 0 || *ret_memory + MEMORY_LEFT <= available)
		return r;
	return kho_fail(err, -ENOMEM, "a copy of the workloads' memory takes %llu MiB, and %llu MiB are "
			"available; free some", (unsigned long long)(*ret_memory / KHO_MIB),
			(unsigned long long)(available / KHO_MIB));
}

/* 0: it isn't known. */
static uint64_t boot_ms(void)
{
	static const char *const argv[] = {
		"systemctl", "show", "--value", "-p", "FinishTimestampMonotonic", NULL
	};
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = ASK_MS };
	struct kho_proc_result result;
	uint64_t usec;

	if (kho_proc_run(&spec, &result, NULL) < 0)
		return 0;
	usec = strtoull(result.out, NULL, 10);
	kho_proc_result_done(&result);
	return usec / 1000;
}

int kho_upgrade_kexec_check(struct kho_agent *agent, const char *image,
			    const struct kho_config *config, uint64_t *ret_ms,
			    struct kho_err *err)
{
	struct kho_kexec_facts facts = {};
	int r = check_kernel(agent, err);

	if (r >= 0)
		r = check_image(image, &facts.image, err);
	if (r >= 0)
		r = check_config(agent, config, &facts.memory, err);
	if (r < 0)
		return kho_wrap(err, r, "not by kexec");
	facts.boot_ms = boot_ms();
	*ret_ms = kho_kexec_predict_ms(&facts);
	return 0;
}

/* ---- loading ---- */

/* After this one's, if it was started in the same way. */
static uint32_t next_pid_base(void)
{
	_cleanup_free_ char *line = NULL;
	const char *own = NULL;
	uint32_t base = 0;

	if (kho_file_read_string("/proc/cmdline", CMDLINE_MAX, &line, NULL) >= 0)
		own = strstr(line, KHO_PID_BASE "=");
	if (own)
		base = (uint32_t)strtoul(own + strlen(KHO_PID_BASE "="), NULL, 10);
	return kho_build_pid_base(kho_build_pid_base_number(base) + 1);
}

static int load(struct kho_upgrade_run *run, struct kho_build *build, struct kho_err *err)
{
	struct kho_kexec_image image;
	_cleanup_free_ char *line = NULL;
	int r = kho_build_load(build, err);

	if (r >= 0)
		r = kho_admit_check(run->agent, build, err);
	if (r < 0)
		return r;
	if (asprintf(&line, "%s%skho=on liveupdate=on " KHO_PID_BASE "=%u", build->cmdline,
		     *build->cmdline ? " " : "", next_pid_base()) < 0)
		return kho_fail(err, -ENOMEM, "no memory for a command line");
	image = (struct kho_kexec_image){
		.kernel = build->kernel, .kernel_size = build->kernel_size,
		.initramfs = build->initramfs, .initramfs_size = build->initramfs_size,
		.cmdline = line,
	};
	kho_agent_is_alive();
	return kho_kexec_load(&image, err);
}

int kho_upgrade_kexec_load(struct kho_upgrade_run *run, struct kho_err *err)
{
	struct kho_build build = { .request = &run->spawn };
	int r;

	kho_agent_progress(run->agent, "loading the image for kexec");
	r = load(run, &build, err);
	snprintf(run->journal.target, sizeof(run->journal.target), "%s", build.release);
	kho_build_done(&build);
	if (r < 0)
		return r;
	/* most of it, while nothing stands still */
	kho_agent_is_alive();
	sync();
	kho_agent_is_alive();
	kho_upgrade_said_hello(run->agent);
	return 0;
}

/* ---- the move ---- */

int kho_upgrade_kexec_move(struct kho_upgrade_run *run, struct kho_err *err)
{
	struct kho_bequeathal *bequeathal;
	int r = kho_bequeathal_new(run->predicted_ms, &bequeathal, err);

	return r < 0 ? r : kho_mover_begin_kexec(run->agent, bequeathal, kho_move_is_over, err);
}
