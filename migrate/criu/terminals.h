/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Terminals of workloads that are restored at the same time. CRIU opens terminals until it has
 * the number that it wants, and closes the others: two that do so are in each other's way, and
 * one of them gives up. Who has any waits for the other one here.
 *
 * Numbers are of a mount of devpts, so its folder is what's locked: a rehearsal has its own, and
 * so may have a unit.
 */
#ifndef KHO_MIGRATE_CRIU_TERMINALS_H
#define KHO_MIGRATE_CRIU_TERMINALS_H

/*
 * Before CRIU makes tasks of the images in that folder; waits for who has it, who has it until
 * its own are open, or it's dead. Returns a lock, or -ENOENT: none is needed; other errors: they
 * may be in each other's way.
 */
int kho_terminals_lock(int images_fd);

/* Of none (negative): nothing. */
void kho_terminals_unlock(int *lock);

#endif
