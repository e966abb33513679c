/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file of the tally: what upgrades did that the history doesn't keep any more
 * (metrics/past.h). Without a file nothing has left the history.
 */
#ifndef KHO_AGENT_TALLY_H
#define KHO_AGENT_TALLY_H

#include "metrics/past.h"

#define KHO_TALLY_FILE	"/var/lib/kho-agent/tally.json"

/* -EBADMSG: it's damaged, or of a later version; *@ret is empty then. */
int kho_tally_read(struct kho_past *ret, struct kho_err *err);

int kho_tally_write(const struct kho_past *tally, struct kho_err *err);

/* As one line of text; the caller frees *@ret. */
int kho_tally_text(const struct kho_past *tally, char **ret);

#endif
