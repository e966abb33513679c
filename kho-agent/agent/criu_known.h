/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CRIU's version, known without starting it each time.
 *
 * An agent that was killed in the middle of a move has tasks that stand still to see to,
 * and starting CRIU takes longer than all the rest of its own start. So what CRIU said
 * is kept in /run, with the size and time of the file that said it.
 */
#ifndef KHO_AGENT_CRIU_KNOWN_H
#define KHO_AGENT_CRIU_KNOWN_H

#include <stddef.h>

#include "base/err.h"

/* As kho_criu_version(). */
int kho_criu_known_version(char *ret, size_t size, struct kho_err *err);

#endif
