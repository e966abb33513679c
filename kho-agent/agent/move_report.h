/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a move did and what it took, as JSON: docs/report.md has the schema.
 *
 * The report of the last move is kept in a file, so that an agent that was started
 * again, or a script that comes late, finds it as well.
 */
#ifndef KHO_AGENT_MOVE_REPORT_H
#define KHO_AGENT_MOVE_REPORT_H

#include <systemd/sd-json.h>

#include "agent/move.h"

#define KHO_MOVE_REPORT		KHO_RUN_DIR "/report.json"
#define KHO_MOVE_REPORT_SCHEMA	1u

/* When a move is over, one way or the other. */
int kho_move_report_write(const struct kho_mover *mover, struct kho_err *err);

/* As text, as it's kept; *@ret is to be freed by free(). */
int kho_move_report_text(char **ret, struct kho_err *err);

/* The other side's report of a move from there. -EBADMSG: it isn't one. */
int kho_move_report_keep(const char *text, struct kho_err *err);

/* *@ret is a reference. -ENOENT: nothing was moved since this kernel has started. */
int kho_move_report_read(sd_json_variant **ret, struct kho_err *err);

#endif
