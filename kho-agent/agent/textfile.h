/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file that others read at any time, for node-exporter's textfile collector: replaced as
 * a whole, with the mode 0644, and not synced.
 */
#ifndef KHO_AGENT_TEXTFILE_H
#define KHO_AGENT_TEXTFILE_H

#include "base/err.h"

/* What open(2), write(2) and rename(2) say; then the old file is as it was. */
int kho_textfile_write(const char *path, const char *text, struct kho_err *err);

#endif
