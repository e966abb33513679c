// SPDX-License-Identifier: GPL-2.0-only
/* The report of the last move, as a file; move_report.h has the idea. */
#include <errno.h>
#include <string.h>

#include "agent/move_report.h"
#include "base/cleanup.h"
#include "base/file.h"

#define REPORT_MAX	(1u << 20)

int kho_move_report_text(char **ret, struct kho_err *err)
{
	int r = kho_file_read(KHO_MOVE_REPORT, REPORT_MAX, ret, NULL, err);

	return r == -ENOENT ? kho_fail(err, r, "nothing was moved yet") : r;
}

int kho_move_report_keep(const char *text, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *report = NULL;
	const struct kho_file_content content = {
		.data = text, .size = strlen(text), .mode = 0600,
	};
	int r = sd_json_parse(text, 0, &report, NULL, NULL);

	if (r < 0 || !sd_json_variant_is_object(report))
		return kho_fail(err, -EBADMSG, "it's no report; update the older agent");
	return kho_file_write_atomic(KHO_MOVE_REPORT, &content, err);
}

int kho_move_report_read(sd_json_variant **ret, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = kho_move_report_text(&text, err);

	if (r < 0)
		return r;
	r = sd_json_parse(text, 0, ret, NULL, NULL);
	return r < 0 ? kho_fail_errno(err, r, KHO_MOVE_REPORT) : 0;
}
