/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What moves, as the operator has said: workloads, addresses, volumes.
 *
 *	[Workload redis]
 *	Unit=redis-server.service	needed
 *	Volumes=data			names of volumes that it needs
 *	Addresses=vip			names of addresses that it serves
 *	Files=/run/redis/redis.pid	files that go with it, by pattern
 *	MaxBlackoutSec=0.5		what the freeze may take, as predicted
 *	MaxRounds=8			of copying memory before the freeze; default 8, 0: none
 *	NoConvergence=abort		or throttle, or go-on, if MaxRounds don't get there
 *	HealthCommand=/usr/bin/true	run in the new kernel; words, no shell
 *	HealthTimeoutSec=5
 *	CannotMove=refuse		or restart: what can't move is stopped before and
 *					started on the new kernel, from its definition
 *	Rehearsal=yes			or no: don't try a copy of it there first
 *
 *	[Address vip]
 *	Address=10.77.0.10/24 fd77::10/64
 *	Functions=0000:00:05.0 0000:00:06.0	the NICs that may have it; one: it moves
 *	Gateway=10.77.0.1			NIC of the new kernel: its default route
 *
 *	[Volume data]
 *	Function=0000:00:07.0		the disk
 *	Partition=0			0: the whole disk
 *	MountPoint=/srv/data
 *	FileSystem=ext4
 *	Options=noatime
 *
 *	[Upgrade]
 *	NewKernelFailure=restart	the new kernel fails after the workloads have moved and
 *					before this one retires: start them anew here; or stay:
 *					leave it to the operator (khoctl failover)
 *	MaxFrozenSec=2			workloads stand still no longer: or else it's undone
 *	SoakSec=30			khoctl upgrade: the old kernel stands by for so long
 *	MaxBlackoutSec=1		of workloads that don't say it themselves
 *	Windows=Sat,Sun 02:00-05:00	khoctl upgrade: when it may begin (base/window.h)
 *	HookTimeoutSec=30		of each program in /etc/kho-agent/hooks.d
 *
 *	[Image]
 *	Signatures=warn			or off, or enforce: of target kernels (image/signature.h)
 *	Keyring=/etc/kho-agent/keys	the folder of certificates that they're checked against
 *	Stage=no			or yes: an image of each kernel that's installed is made
 *	StageOptions=--system		of khoctl image build, for that
 *
 *	[API]
 *	ReadGroup=operators		members may ask for the status; read when the agent starts
 *
 *	[Metrics]
 *	Listen=127.0.0.1:9786		HTTP, off by default
 *	TextFile=/var/.../kho.prom	for node-exporter; both read as ReadGroup= is
 *
 * Read from kho-agent.conf and kho-agent.conf.d/ *.conf in /usr/lib/kho-agent,
 * /etc/kho-agent and /run/kho-agent: of files with the same name the later folder's
 * counts; a key that's given again replaces what was before.
 */
#ifndef KHO_MIGRATE_CONFIG_H
#define KHO_MIGRATE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/parse.h"
#include "base/window.h"
#include "image/signature.h"
#include "migrate/workload/config_fleet.h"

#define KHO_CONFIG_ITEMS	32	/* of each kind */
#define KHO_CONFIG_LIST		8	/* addresses, functions, files of one item */
#define KHO_CONFIG_NAME		32
#define KHO_CONFIG_TEXT		256
#define KHO_CONFIG_ADDRESS	64

struct kho_config_workload {
	char name[KHO_CONFIG_NAME];
	char unit[KHO_CONFIG_TEXT];
	uint32_t volumes;		/* bit n: volumes[n] of the configuration */
	uint32_t addresses;
	char files[KHO_CONFIG_LIST][KHO_CONFIG_TEXT];
	unsigned int nr_files;
	bool has_max_blackout;
	uint32_t max_blackout_ms;
	uint32_t max_rounds;
	bool go_on, throttle;		/* NoConvergence=; neither: abort */
	char health_command[KHO_CONFIG_TEXT];	/* "": none */
	uint32_t health_timeout_ms;
	bool restart;			/* CannotMove=restart */
	bool unrehearsed;		/* Rehearsal=no */
	/* as text, until all is read */
	char volume_names[KHO_CONFIG_TEXT];
	char address_names[KHO_CONFIG_TEXT];
};

struct kho_config_address {
	char name[KHO_CONFIG_NAME];
	char addresses[KHO_CONFIG_LIST][KHO_CONFIG_ADDRESS];	/* "10.77.0.10/24" */
	unsigned int nr_addresses;
	struct kho_pci_addr functions[KHO_CONFIG_LIST];
	unsigned int nr_functions;
	char gateway[KHO_CONFIG_ADDRESS];	/* "": none */
};

struct kho_config_volume {
	char name[KHO_CONFIG_NAME];
	bool has_function;
	struct kho_pci_addr function;
	uint32_t partition;
	char mount_point[KHO_CONFIG_TEXT];
	char file_system[KHO_CONFIG_NAME];
	char options[KHO_CONFIG_TEXT];
};

struct kho_config {
	bool has_max_frozen;
	uint32_t max_frozen_ms;		/* 0: no limit */
	bool has_max_blackout;
	uint32_t max_blackout_ms;	/* of workloads that have none of their own */
	bool has_soak;
	uint32_t soak_ms;		/* between a move and retirement, if one follows the other */
	char windows_text[KHO_CONFIG_TEXT];
	struct kho_windows windows;
	bool has_hook_timeout;
	uint32_t hook_timeout_ms;
	struct kho_config_workload workloads[KHO_CONFIG_ITEMS];
	unsigned int nr_workloads;
	struct kho_config_address addresses[KHO_CONFIG_ITEMS];
	unsigned int nr_addresses;
	struct kho_config_volume volumes[KHO_CONFIG_ITEMS];
	unsigned int nr_volumes;
	bool stay;			/* NewKernelFailure=stay */
	enum kho_signatures signatures;
	char keyring[KHO_CONFIG_TEXT];	/* a folder */
	char read_group[KHO_CONFIG_NAME];	/* "": root alone */
	char metrics_listen[KHO_CONFIG_TEXT];	/* base/listen.h; "": nowhere */
	char metrics_file[KHO_CONFIG_TEXT];	/* "": none */
	bool stage;
	char stage_options[KHO_CONFIG_TEXT];	/* words */
	struct kho_config_fleet fleet;
};

/* One file's text into @config, which is added to. @text is changed. -EINVAL, -ERANGE: FILE:LINE. */
int kho_config_parse(const char *name, char *text, struct kho_config *config,
		     struct kho_err *err);

/* Once all is read: references, and what's missing. */
int kho_config_finish(struct kho_config *config, struct kho_err *err);

/*
 * Workloads may stand still for @ms at most, as predicted and as it is, whatever @config allows
 * beyond that; 0: as it says.
 */
void kho_config_limit_frozen(struct kho_config *config, uint64_t ms);

/* Reads the system's files. *@ret is to be freed by free(). */
int kho_config_load(struct kho_config **ret, struct kho_err *err);

/*
 * The same for a kernel whose files are from when its image was made: all text that was
 * read, as one file, *@ret to be freed by free(); and there, to be its configuration from
 * then on (it's put into /run/kho-agent, empty files of the same name besides what it
 * replaces). -EFBIG: more than KHO_CONFIG_MAX bytes.
 */
#define KHO_CONFIG_MAX	(128u << 10)
int kho_config_text(char **ret, struct kho_err *err);
int kho_config_replace(const char *text, struct kho_err *err);

#endif
