/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The old kernel's part: spawning another kernel, taking everything back from it,
 * and retiring in its favour.
 */
#ifndef KHO_AGENT_SPAWN_H
#define KHO_AGENT_SPAWN_H

#include "agent/reserve.h"
#include "agent/session.h"
#include "image/manifest.h"

#define KHO_HELLO_TIMEOUT_MS	120000	/* by default */

struct kho_spawn_request {
	const char *image;		/* folder of a target image */
	const char *cpus;		/* see struct kho_reserve_spec */
	const char *blocks;
	uint64_t memory;
	const char *cmdline;		/* more for the command line, may be NULL */
	uint64_t timeout_ms;		/* until hello, 0: the default */
	bool force;			/* though it was refused before */
};

/*
 * Reserves, builds and starts. Returns as soon as the new kernel runs; the session's
 * role sees to the rest. On failure nothing is left taken.
 */
int kho_spawn(struct kho_agent *agent, const struct kho_spawn_request *request,
	      struct kho_err *err);

/*
 * Stops the new kernel's CPUs, whatever they do, and makes all that was given this
 * kernel's again. Whatever state things are in; may be called again.
 */
int kho_reclaim(struct kho_agent *agent, struct kho_err *err);

/*
 * After a start of the agent: goes on with the session of an agent that was killed,
 * or takes back what that one had reserved.
 */
int kho_spawn_recover(struct kho_agent *agent, struct kho_err *err);

/* Opens the session with the new kernel anew, if its memory can be read. */
int kho_spawn_reopen(struct kho_agent *agent, struct kho_err *err);

/* Whether this kernel has lent a region to another one, by whichever agent. */
bool kho_spawn_has_lent(struct kho_agent *agent);

/*
 * Hands the rest of the machine over; ends this kernel if all goes well. Goes on when
 * the new side has noted what it will get; whoever waits is answered then.
 */
int kho_retire(struct kho_agent *agent, struct kho_err *err);
void kho_retire_on_noted(struct kho_session *session, const Kho__RetireNoted *noted);

/* Whether the new kernel gets this one then, if it can reach its configuration space. */
struct kho_pci_function;
bool kho_retire_leaves(const struct kho_pci_function *function);

/* The new side's agent was started again. */
void kho_retire_drop(struct kho_session *session);

/* The roles' callbacks. */
extern const struct kho_session_role kho_old_role;

/* world.c: what a spawned kernel is told, and the bytes it starts from. */
struct kho_build {
	const struct kho_spawn_request *request;
	const struct kho_reserved *reserved;
	void *kernel, *initramfs;
	size_t kernel_size, initramfs_size;
	char *cmdline;
	char release[65];
	char name[KHO_IMAGE_NAME_MAX];
	uint8_t digest[KHO_SHA256_SIZE];	/* of the image */
	bool native;			/* its kernel takes the tree in by itself */
	bool any_boot_cpu;		/* its kernel can be told to use all CPUs */
	uint64_t contiguous;		/* bytes that the first range must have */
	struct kho_handover handover;
	struct kho_world world;
};

/* Loads and verifies the image; what's loaded is to be freed by kho_build_done(). */
int kho_build_load(struct kho_build *build, struct kho_err *err);
void kho_build_done(struct kho_build *build);

/*
 * Whether the image's kernel takes the tree in by itself.
 *   -EPROTONOSUPPORT  it has KHO, but of another version, or one that wasn't found
 */
int kho_build_is_native(const struct kho_manifest *manifest, bool *ret, struct kho_err *err);

/* Bytes that the first range of the region must have for such a kernel. */
uint64_t kho_build_contiguous(uint64_t alignment, uint64_t init_size);

/*
 * Processes that come from another kernel keep their PIDs: a kernel's own begin elsewhere,
 * by its number in a chain (from 1 on). And the number that such a beginning is of; 0: none.
 */
#define KHO_PID_BASE	"kho.pid_base"	/* on its command line; image/init.sh */
uint32_t kho_build_pid_base(uint32_t instance);
uint32_t kho_build_pid_base_number(uint32_t base);

/* Fills the mapped region: world, tree, lanes, console. */
int kho_build_region(struct kho_agent *agent, struct kho_build *build,
		     const struct kho_mapping *map, struct kho_err *err);

#endif
