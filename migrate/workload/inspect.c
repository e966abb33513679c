// SPDX-License-Identifier: GPL-2.0-only
/* Findings, and what the texts of a process tell; inspect.h has the contract. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "migrate/workload/inspect.h"

#define RESTART	"CannotMove=restart stops it before and starts it on the new kernel"

static const struct {
	const char *name;
	const char *remedy;
} kinds[_KHO_FINDING_MAX] = {
	[KHO_FINDING_UNIT] = { "unit", "start it, or take it out of the configuration" },
	[KHO_FINDING_IO_URING] = { "io-uring", "run it without io_uring, or: " RESTART },
	[KHO_FINDING_DEVICE] = { "device", "have it closed, or: " RESTART },
	[KHO_FINDING_GPU] = { "gpu", "its state is in the device: " RESTART },
	[KHO_FINDING_ANON_INODE] = { "anon-inode", "have it closed, or: " RESTART },
	[KHO_FINDING_SOCKET_FAMILY] = { "socket-family", "have it closed, or: " RESTART },
	[KHO_FINDING_SOCKET_PROTOCOL] = { "socket-protocol",
		"use TCP or UDP, or: " RESTART },
	[KHO_FINDING_SOCKET_ULP] = { "socket-ulp",
		"switch kernel TLS off in the program, or: " RESTART },
	[KHO_FINDING_SOCKET_PEER] = { "socket-peer",
		"put both ends into one unit or have it closed, or: " RESTART },
	[KHO_FINDING_FILE_LOCK] = { "file-lock", "have whoever took the lock end, or: " RESTART },
	[KHO_FINDING_DELETED_FILE] = { "deleted-file", "have it closed, or: " RESTART },
	[KHO_FINDING_OUTSIDE_FILE] = { "outside-file",
		"run the unit without what makes a mount namespace, or: " RESTART },
	[KHO_FINDING_TRACED] = { "traced", "end the debugger or strace" },
	[KHO_FINDING_CORE_DUMP] = { "core-dump", "wait until it's over" },
	[KHO_FINDING_COMPAT] = { "compat", "install the 64-bit program, or: " RESTART },
	[KHO_FINDING_UPROBES] = { "uprobes", "remove the probes" },
	[KHO_FINDING_NAMESPACE] = { "namespace",
		"set PrivateUsers=no and PrivatePIDs=no for its unit, or: " RESTART },
	[KHO_FINDING_SYSV_IPC] = { "sysv-ipc", "set PrivateIPC=yes for its unit, or: " RESTART },
	[KHO_FINDING_SHARED_MEMORY] = { "shared-memory", "name it by Files=, or: " RESTART },
	[KHO_FINDING_LANDLOCK] = { "landlock", "it would run without it: " RESTART },
	[KHO_FINDING_KEYRING] = { "keyring", "keep the secrets elsewhere, or: " RESTART },
	[KHO_FINDING_FILE_MISSING] = { "file-missing",
		"make the image again, or name it by Files=" },
	[KHO_FINDING_FILE_DIFFERS] = { "file-differs",
		"make the image again, or name it by Files=" },
	[KHO_FINDING_PID_TAKEN] = { "pid-taken", "start the workload again, it gets another one" },
	[KHO_FINDING_CPU] = { "cpu-feature",
		"boot the new kernel without what hides it (clearcpuid=, nopku and the like), "
		"or: " RESTART },
	[KHO_FINDING_CRIU] = { "criu", "boot a kernel that has it, or install CRIU 4.2 or later" },
	[KHO_FINDING_CANARY] = { "canary",
		"this CRIU and this kernel don't go together: take another one of either; logs "
		"are in /run/kho-agent/canary there" },
	[KHO_FINDING_IMAGE] = { "image", "build the image anew" },
	[KHO_FINDING_IMAGE_SIGNATURE] = { "image-signature",
		"take a signed kernel, or put its signer's certificate into the keyring" },
	[KHO_FINDING_IMAGE_REFUSED] = { "image-refused",
		"khoctl image clear DIGEST forgets it, khoctl spawn --force tries it once more" },
	[KHO_FINDING_IMAGE_DRIVER] = { "image-driver",
		"build the image anew with --module= for it" },
	[KHO_FINDING_MACHINE] = { "machine", "see that /proc and /sys are mounted" },
	[KHO_FINDING_KERNEL_VERSION] = { "kernel-version",
		"reboot into a kernel of 6.12 or later once" },
	[KHO_FINDING_CLOCK] = { "clock",
		"see what the kernel's log says of the TSC; without a good one it can't be upgraded" },
	[KHO_FINDING_IOMMU] = { "iommu",
		"reboot with intel_iommu=off, amd_iommu=off; take a virtual one from the machine" },
	[KHO_FINDING_INTERRUPT_REMAPPING] = { "interrupt-remapping", "reboot with intremap=off" },
	[KHO_FINDING_REBOOT_FORCE] = { "reboot-force",
		"echo 0 >/sys/kernel/reboot/force, and take it from the command line" },
	[KHO_FINDING_KEXEC] = { "kexec", "unload it: kexec -u" },
	[KHO_FINDING_KDUMP] = { "kdump", "unload it for the upgrade: kdump-config unload" },
	[KHO_FINDING_MODULE] = { "module", "modprobe multikernel" },
	[KHO_FINDING_LOCKDOWN] = { "lockdown",
		"sign multikernel.ko with a key that this kernel trusts" },
	[KHO_FINDING_SPACE] = { "space", "remove what isn't needed there, or make it larger" },
	[KHO_FINDING_CPUS] = { "cpus", "give others by --cpus=" },
	[KHO_FINDING_MEMORY] = { "memory", "stop something, or give less by --memory=" },
};

const char *kho_finding_name(enum kho_finding_kind kind)
{
	return (unsigned int)kind < _KHO_FINDING_MAX ? kinds[kind].name : "unknown";
}

enum kho_finding_kind kho_finding_kind(const char *name)
{
	for (int kind = 0; kind < _KHO_FINDING_MAX; kind++)
		if (strcmp(kinds[kind].name, name) == 0)
			return kind;
	return _KHO_FINDING_MAX;
}

/* A new one without its cause; NULL: there's no room, and it's counted. */
static struct kho_finding *add(struct kho_findings *findings, enum kho_finding_kind kind,
			       const char *where)
{
	struct kho_finding *finding = &findings->list[findings->nr];

	if (findings->nr == KHO_FINDINGS) {
		findings->more++;
		return NULL;
	}
	findings->nr++;
	*finding = (struct kho_finding){ .kind = kind };
	snprintf(finding->where, sizeof(finding->where), "%s", where);
	snprintf(finding->remedy, sizeof(finding->remedy), "%s",
		 (unsigned int)kind < _KHO_FINDING_MAX ? kinds[kind].remedy : "");
	return finding;
}

void kho_found(struct kho_findings *findings, enum kho_finding_kind kind, pid_t pid,
	       const char *where, const char *fmt, ...)
{
	struct kho_finding *finding = add(findings, kind, where);
	va_list args;

	if (!finding)
		return;
	finding->pid = pid;
	va_start(args, fmt);
	vsnprintf(finding->cause, sizeof(finding->cause), fmt, args);
	va_end(args);
}

void kho_found_warning(struct kho_findings *findings, enum kho_finding_kind kind,
		       const char *where, const char *fmt, ...)
{
	struct kho_finding *finding;
	va_list args;

	/* those that there's no room for may be taken for something in the way */
	if (findings->nr == KHO_FINDINGS)
		return;
	finding = add(findings, kind, where);
	finding->warning = true;
	va_start(args, fmt);
	vsnprintf(finding->cause, sizeof(finding->cause), fmt, args);
	va_end(args);
}

void kho_found_message(struct kho_findings *findings, enum kho_finding_kind kind,
		       const char *where, const char *message)
{
	struct kho_finding *finding = add(findings, kind, where);
	const char *remedy = strstr(message, "; "), *next;

	if (!finding)
		return;
	while (remedy && (next = strstr(remedy + 2, "; ")))
		remedy = next;
	snprintf(finding->cause, sizeof(finding->cause), "%.*s",
		 remedy ? (int)(remedy - message) : (int)strlen(message), message);
	if (remedy)
		snprintf(finding->remedy, sizeof(finding->remedy), "%s", remedy + 2);
}

const struct kho_finding *kho_findings_blocker(const struct kho_findings *findings)
{
	for (unsigned int i = 0; i < findings->nr; i++)
		if (!findings->list[i].warning)
			return &findings->list[i];
	return NULL;
}

bool kho_findings_block(const struct kho_findings *findings)
{
	return findings->more || kho_findings_blocker(findings);
}

bool kho_is_found(const struct kho_findings *findings, enum kho_finding_kind kind,
		  const char *cause)
{
	for (unsigned int i = 0; i < findings->nr; i++)
		if (findings->list[i].kind == kind && strcmp(findings->list[i].cause, cause) == 0)
			return true;
	return false;
}

void kho_finding_format(const struct kho_finding *finding, char *ret, size_t size)
{
	char process[32] = "";

	if (finding->pid)
		snprintf(process, sizeof(process), "process %d", finding->pid);
	snprintf(ret, size, "%s%s%s%s%s; %s", process,
		 *process && *finding->where ? ", " : "", finding->where,
		 *process || *finding->where ? ": " : "", finding->cause, finding->remedy);
}

/* ---- status ---- */

/* The number behind "@key:\t"; -1: there's none. */
static long status_number(const char *text, const char *key)
{
	size_t size = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, size) == 0 && line[size] == ':')
			return strtol(line + size + 1, NULL, 10);
	}
	return -1;
}

void kho_inspect_status(struct kho_findings *findings, pid_t pid, const char *text)
{
	long tracer = status_number(text, "TracerPid");

	if (tracer > 0)
		kho_found(findings, KHO_FINDING_TRACED, pid, "", "is traced by process %ld, and "
			  "only one can trace it", tracer);
	if (status_number(text, "CoreDumping") > 0)
		kho_found(findings, KHO_FINDING_CORE_DUMP, pid, "", "is dumping core");
}

/* ---- maps ---- */

struct map {
	char range[40];			/* "7f00-7f10" */
	const char *path;		/* "": anonymous */
	bool deleted;
};

/* One line, cut at its end by a NUL. False: not of the form. */
static bool parse_map(char *line, struct map *ret)
{
	static const char deleted[] = " (deleted)";
	unsigned long long start, end;
	int at = -1;
	size_t size;

	if (sscanf(line, "%llx-%llx %*4s %*x %*x:%*x %*u%n", &start, &end, &at) != 2 || at < 0)
		return false;
	snprintf(ret->range, sizeof(ret->range), "%llx-%llx", start, end);
	ret->path = line + at + strspn(line + at, " ");
	size = strlen(ret->path);
	ret->deleted = size >= sizeof(deleted) - 1 &&
		       strcmp(ret->path + size - (sizeof(deleted) - 1), deleted) == 0;
	return true;
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool is_gpu(const char *path)
{
	return begins(path, "/dev/dri/") || begins(path, "/dev/nvidia") ||
	       begins(path, "/dev/kfd") || begins(path, "/dev/accel/");
}

/* In /dev, but memory or an ordinary file. */
static bool is_plain_in_dev(const char *path)
{
	return begins(path, "/dev/zero") || begins(path, "/dev/null") ||
	       begins(path, "/dev/shm/") || begins(path, "/dev/hugepages/") ||
	       begins(path, "/dev/mqueue/");
}

static void inspect_map(struct kho_findings *findings, pid_t pid, const struct map *map)
{
	const char *path = map->path;

	if (begins(path, "anon_inode:[io_uring]"))
		kho_found(findings, KHO_FINDING_IO_URING, pid, map->range,
			  "has a ring of io_uring mapped, which CRIU can't take");
	else if (begins(path, "anon_inode:"))
		kho_found(findings, KHO_FINDING_ANON_INODE, pid, map->range,
			  "has %.60s mapped, which CRIU can't take", path);
	else if (strcmp(path, "[uprobes]") == 0)
		kho_found(findings, KHO_FINDING_UPROBES, pid, map->range,
			  "has probes of its program (uprobes)");
	else if (is_gpu(path))
		kho_found(findings, KHO_FINDING_GPU, pid, map->range,
			  "has memory of a graphics device mapped, %.100s", path);
	else if (begins(path, "/dev/") && !is_plain_in_dev(path))
		kho_found(findings, KHO_FINDING_DEVICE, pid, map->range,
			  "has the device %.100s mapped, which doesn't move", path);
}

/* Calls @fn for each line that's a mapping, with its text in a buffer of its own. */
static int each_map(const char *text, int (*fn)(void *ctx, const struct map *map), void *ctx)
{
	char line[4352];
	struct map map;
	int r = 0;

	while (*text && r >= 0) {
		size_t size = strcspn(text, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)(size < sizeof(line) ? size : 0), text);
		if (parse_map(line, &map))
			r = fn(ctx, &map);
		text += size + (text[size] == '\n');
	}
	return r;
}

struct maps {
	struct kho_findings *findings;
	pid_t pid;
	char before[KHO_FINDING_CAUSE];	/* all mappings of one thing are one finding */
};

static int look_at_map(void *ctx, const struct map *map)
{
	struct maps *maps = ctx;
	unsigned int nr = maps->findings->nr;
	const struct kho_finding *found = &maps->findings->list[nr];

	inspect_map(maps->findings, maps->pid, map);
	if (maps->findings->nr == nr)
		return 0;
	if (strcmp(found->cause, maps->before) == 0)
		maps->findings->nr = nr;
	else
		snprintf(maps->before, sizeof(maps->before), "%s", found->cause);
	return 0;
}

void kho_inspect_maps(struct kho_findings *findings, pid_t pid, const char *text)
{
	struct maps maps = { .findings = findings, .pid = pid };

	each_map(text, look_at_map, &maps);
}

static int look_for_sysv(void *ctx, const struct map *map)
{
	const struct maps *maps = ctx;
	char cause[KHO_FINDING_CAUSE];

	if (!begins(map->path, "/SYSV"))
		return 0;
	snprintf(cause, sizeof(cause), "has System V shared memory (key 0x%.8s) in the IPC "
		 "namespace of the whole system, from which CRIU can't take it", map->path + 5);
	if (!kho_is_found(maps->findings, KHO_FINDING_SYSV_IPC, cause))
		kho_found(maps->findings, KHO_FINDING_SYSV_IPC, maps->pid, map->range, "%s", cause);
	return 0;
}

void kho_inspect_sysv(struct kho_findings *findings, pid_t pid, const char *text)
{
	struct maps maps = { .findings = findings, .pid = pid };

	each_map(text, look_for_sysv, &maps);
}

struct mapped {
	int (*fn)(void *ctx, const char *path);
	void *ctx;
};

static int tell_mapped(void *ctx, const struct map *map)
{
	const struct mapped *mapped = ctx;

	if (map->path[0] != '/' || map->deleted || begins(map->path, "/memfd:") ||
	    begins(map->path, "/SYSV") ||
	    (begins(map->path, "/dev/") && !begins(map->path, "/dev/shm/")))
		return 0;
	return mapped->fn(mapped->ctx, map->path);
}

int kho_inspect_mapped(const char *maps, int (*fn)(void *ctx, const char *path), void *ctx)
{
	struct mapped mapped = { .fn = fn, .ctx = ctx };

	return each_map(maps, tell_mapped, &mapped);
}

/* ---- exe, keys ---- */

void kho_inspect_exe(struct kho_findings *findings, pid_t pid, const void *bytes, size_t size)
{
	static const unsigned char elf32[] = { 0x7f, 'E', 'L', 'F', 1 };

	if (size >= sizeof(elf32) && memcmp(bytes, elf32, sizeof(elf32)) == 0)
		kho_found(findings, KHO_FINDING_COMPAT, pid, "", "runs a 32-bit program, which "
			  "CRIU isn't built for");
}

/* "ID FLAGS USAGE TIMEOUT PERM UID GID TYPE DESCRIPTION: ..." */
void kho_inspect_keys(struct kho_findings *findings, uid_t uid, const char *text)
{
	char type[16], name[64];
	unsigned int owner;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "%*x %*s %*s %*s %*x %u %*d %15s %63[^:\n]", &owner, type,
			   name) != 3 || owner != uid)
			continue;
		/* systemd's own, which the unit gets there, too */
		if (strcmp(type, "keyring") == 0 || strcmp(name, "invocation_id") == 0)
			continue;
		kho_found(findings, KHO_FINDING_KEYRING, 0, "", "user %u has the key \"%s\" (%s) "
			  "in the kernel, which wouldn't go along", uid, name, type);
	}
}
