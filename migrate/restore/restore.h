/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kho-restore: restores one workload, as the start of its unit.
 *
 * Theory of operation
 *
 * systemd starts it in place of the unit's own program (migrate/workload/unit.h), so
 * it has the unit's cgroup, mount namespace, limits and standard output, and what it
 * restores has them, too. The agent tells it what to do, over a SEQPACKET socket
 * ($KHO_RESTORE_SOCKET), a line a packet:
 *
 *	kho-restore                          agent
 *	ready ------------------------------>          CRIU is started and waits
 *	      <------------------------------ restore    images are read
 *	      <------------------------------ go         tasks are made
 *	stopped PID ------------------------>          all is there, nothing has run
 *	      <------------------------------ resume, or abort
 *	resumed PID ------------------------>          it runs, systemd is told the main PID
 *	      <------------------------------ fetch    the rest of its memory may come
 *	complete BYTES MS ------------------>          all memory is there
 *	failed TEXT ------------------------>          at any time; ends with status 1
 *
 *	      <------------------------------ rehearse        before "restore"
 *	rehearsed NS, or unrehearsed TEXT -->          a copy was restored, and dropped
 *
 * With "restore" and "rehearse" come three descriptors: the folder of CRIU's images, and the page
 * store's data and index (migrate/pages/store.h). The folder's file "external" lists
 * what was left out of the dump (CRIU's key of it, one a line): sockets become our
 * standard output, files /dev/null.
 *
 * A rehearsal (rehearse.h) happens in a child, and leaves kho-restore as it was: ready.
 *
 * Memory is served by kho-restore itself (migrate/pages/serve.h) while tasks run: at
 * first what they touch, and after "fetch" the rest, too. So the CPUs are left to the
 * workload and its health command until clients are answered; should the agent have
 * other things to do, or be gone, it begins by itself after a while. kho-restore has to
 * live until all is there: if it doesn't, the agent kills the tasks.
 *
 * It ends when nothing more is to be done; the restored tasks go on as systemd's.
 *
 * An agent that's started again can't come back to it: what hasn't run is taken down, what
 * runs (or was told to) gets its memory all the same, and the file "complete" says so.
 */
#ifndef KHO_MIGRATE_RESTORE_H
#define KHO_MIGRATE_RESTORE_H

#define KHO_RESTORE_SOCKET_ENV	"KHO_RESTORE_SOCKET"
#define KHO_RESTORE_EXTERNAL	"external"	/* file in DIR */
#define KHO_RESTORE_COMPLETE	"complete"	/* likewise; "BYTES MS", written at the end */
#define KHO_RESTORE_PROGRAM	"/usr/libexec/kho-agent/kho-restore"
#define KHO_RESTORE_LINE	1024		/* bytes of the longest packet */
#define KHO_RESTORE_FDS		3		/* images, data, index */

#endif
