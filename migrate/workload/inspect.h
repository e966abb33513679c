/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of a workload can't move, seen from outside while it runs.
 *
 * Theory of operation
 *
 * Pure: texts of /proc and facts of descriptors go in, findings come out. Who reads
 * them is inspect_proc.c. A finding is only what is known to be lost or refused; what
 * isn't known here shows at the rehearsal. It says which process, where in it, why,
 * and what can be done about it. Its kind has a name that scripts can rely on.
 *
 * Texts may be damaged or cut off: a line that isn't of the known form is passed over.
 */
#ifndef KHO_MIGRATE_INSPECT_H
#define KHO_MIGRATE_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KHO_FINDINGS		48	/* kept of one workload; more are counted */
#define KHO_FINDING_CAUSE	224
#define KHO_FINDING_REMEDY	192

/* Numbers are of this program only; names (kho_finding_name()) never change. */
enum kho_finding_kind {
	KHO_FINDING_UNIT = 0,		/* it isn't a workload that runs */
	KHO_FINDING_IO_URING,
	KHO_FINDING_DEVICE,
	KHO_FINDING_GPU,
	KHO_FINDING_ANON_INODE,
	KHO_FINDING_SOCKET_FAMILY,
	KHO_FINDING_SOCKET_PROTOCOL,
	KHO_FINDING_SOCKET_ULP,
	KHO_FINDING_SOCKET_PEER,
	KHO_FINDING_FILE_LOCK,
	KHO_FINDING_DELETED_FILE,
	KHO_FINDING_OUTSIDE_FILE,
	KHO_FINDING_TRACED,
	KHO_FINDING_CORE_DUMP,
	KHO_FINDING_COMPAT,
	KHO_FINDING_UPROBES,
	KHO_FINDING_NAMESPACE,
	KHO_FINDING_SYSV_IPC,
	KHO_FINDING_SHARED_MEMORY,
	KHO_FINDING_LANDLOCK,
	KHO_FINDING_KEYRING,
	/* known when the new kernel is up */
	KHO_FINDING_FILE_MISSING,
	KHO_FINDING_FILE_DIFFERS,
	KHO_FINDING_PID_TAKEN,
	KHO_FINDING_CPU,
	KHO_FINDING_CRIU,
	KHO_FINDING_CANARY,
	/* of target images, which are looked at before there's a new kernel */
	KHO_FINDING_IMAGE,
	KHO_FINDING_IMAGE_SIGNATURE,
	KHO_FINDING_IMAGE_REFUSED,
	KHO_FINDING_IMAGE_DRIVER,
	/* of the machine, and of what a spawn would take (upgrade/preflight.h) */
	KHO_FINDING_MACHINE,
	KHO_FINDING_KERNEL_VERSION,
	KHO_FINDING_CLOCK,
	KHO_FINDING_IOMMU,
	KHO_FINDING_INTERRUPT_REMAPPING,
	KHO_FINDING_REBOOT_FORCE,
	KHO_FINDING_KEXEC,
	KHO_FINDING_KDUMP,
	KHO_FINDING_MODULE,
	KHO_FINDING_LOCKDOWN,
	KHO_FINDING_SPACE,
	KHO_FINDING_CPUS,
	KHO_FINDING_MEMORY,
	_KHO_FINDING_MAX,
};

struct kho_finding {
	enum kho_finding_kind kind;
	bool warning;			/* to be known; in the way of nothing */
	pid_t pid;			/* 0: the workload as a whole */
	char where[48];			/* "fd 7", "7f00-7f10"; "": the process as a whole */
	char cause[KHO_FINDING_CAUSE];
	char remedy[KHO_FINDING_REMEDY];
};

struct kho_findings {
	unsigned int nr;
	unsigned int more;		/* that there was no room for */
	struct kho_finding list[KHO_FINDINGS];
};

/* "io-uring", ...; "unknown" for what isn't of the enum. */
const char *kho_finding_name(enum kho_finding_kind kind);

/* _KHO_FINDING_MAX: no kind of this name. */
enum kho_finding_kind kho_finding_kind(const char *name);

/* Adds one, with the remedy of its kind. @where: as in the struct. */
void kho_found(struct kho_findings *findings, enum kho_finding_kind kind, pid_t pid,
	       const char *where, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The same, in the way of nothing. */
void kho_found_warning(struct kho_findings *findings, enum kho_finding_kind kind,
		       const char *where, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same by an error's message, "cause; remedy": without a remedy the kind's stays. */
void kho_found_message(struct kho_findings *findings, enum kho_finding_kind kind,
		       const char *where, const char *message);

/* The first that is in the way; NULL: there's none that was kept. */
const struct kho_finding *kho_findings_blocker(const struct kho_findings *findings);

/* Whether anything is in the way, also if there was no room for it. */
bool kho_findings_block(const struct kho_findings *findings);

/* Whether there's one, of whichever process. */
bool kho_is_found(const struct kho_findings *findings, enum kho_finding_kind kind,
		  const char *cause);

/* "process 7, fd 3: cause; remedy", in one line. */
void kho_finding_format(const struct kho_finding *finding, char *ret, size_t size);

/* ---- texts of a process ---- */

/* /proc/PID/status: traced, dumping core. */
void kho_inspect_status(struct kho_findings *findings, pid_t pid, const char *text);

/* /proc/PID/maps: rings, devices and anonymous inodes that are mapped, uprobes. */
void kho_inspect_maps(struct kho_findings *findings, pid_t pid, const char *text);

/*
 * /proc/PID/maps of a process without an IPC namespace of its own: System V shared memory.
 * What several processes share is found once.
 */
void kho_inspect_sysv(struct kho_findings *findings, pid_t pid, const char *text);

/*
 * Calls @fn for each file that's mapped, without those that are deleted or stand in
 * /dev, but for /dev/shm. Names are as the kernel escapes them. A negative return ends it.
 */
int kho_inspect_mapped(const char *maps, int (*fn)(void *ctx, const char *path), void *ctx);

/* The first bytes of /proc/PID/exe: a 32-bit program. */
void kho_inspect_exe(struct kho_findings *findings, pid_t pid, const void *bytes, size_t size);

/* /proc/keys as the user @uid reads it: keys that no checkpoint holds. */
void kho_inspect_keys(struct kho_findings *findings, uid_t uid, const char *text);

/* ---- descriptors ---- */

struct kho_inspect_socket {
	int family, type, protocol;	/* -1: not known */
	const char *ulp;		/* of TCP: "tls", ...; "": none */
	/* UNIX only */
	bool connected;
	bool peer_inside;		/* the other end is in the workload */
	const char *peer_name;		/* "@..." is an abstract one; "": none */
};

struct kho_inspect_fd {
	pid_t pid;
	int fd;
	const char *link;		/* of /proc/PID/fd */
	const char *info;		/* of /proc/PID/fdinfo; "": not known */
	mode_t mode;			/* as of stat(2) */
	unsigned int major, minor;	/* if it's a device */
	uint64_t size;			/* bytes */
	const struct kho_inspect_socket *socket;	/* NULL: it's none */
};

/* Whether a process is of the workload. */
typedef bool (*kho_inspect_inside_fn)(void *ctx, pid_t pid);

void kho_inspect_fd(struct kho_findings *findings, const struct kho_inspect_fd *fd);

/* Locks in fdinfo that somebody else holds by the same open file. */
void kho_inspect_locks(struct kho_findings *findings, const struct kho_inspect_fd *fd,
		       kho_inspect_inside_fn inside, void *ctx);

/* ---- CPUs ---- */

#define KHO_CPU_FLAGS	4096

/* What programs can see of a CPU. */
struct kho_cpu_sight {
	char flags[KHO_CPU_FLAGS];	/* as in /proc/cpuinfo, words between blanks */
	uint64_t xcr0;			/* parts of the state that XSAVE keeps; 0: none */
	uint32_t xsave_bytes;		/* size of that state, as it's enabled; 0: not known */
};

/* The flags of the first CPU that @cpuinfo tells of; "" if there are none. */
void kho_cpu_flags(const char *cpuinfo, char ret[KHO_CPU_FLAGS]);

/*
 * What programs that were started on @old may be using and @new hasn't. Flags that only
 * say how the kernel does something aren't looked at.
 */
void kho_inspect_cpu(struct kho_findings *findings, const struct kho_cpu_sight *old,
		     const struct kho_cpu_sight *new);

#endif
