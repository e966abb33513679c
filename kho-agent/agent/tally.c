// SPDX-License-Identifier: GPL-2.0-only
/* The file of the tally. */
#include <errno.h>
#include <string.h>

#include "agent/tally.h"
#include "base/cleanup.h"
#include "base/file.h"

#define TALLY_MAX	16384u

int kho_tally_read(struct kho_past *ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	_cleanup_free_ char *text = NULL;
	int r = kho_file_read(KHO_TALLY_FILE, TALLY_MAX, &text, NULL, err);

	*ret = (struct kho_past){};
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (sd_json_parse(text, 0, &v, NULL, NULL) < 0)
		return kho_fail(err, -EBADMSG, KHO_TALLY_FILE ": not JSON; remove it, and counting "
				"begins with the history");
	r = kho_past_parse(v, ret, err);
	return r < 0 ? kho_wrap(err, r, KHO_TALLY_FILE) : 0;
}

int kho_tally_text(const struct kho_past *tally, char **ret)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r = kho_past_format(tally, &v);

	return r < 0 ? r : sd_json_variant_format(v, 0, ret);
}

int kho_tally_write(const struct kho_past *tally, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	struct kho_file_content content = { .mode = 0640 };
	int r = kho_tally_text(tally, &text);

	if (r < 0)
		return kho_fail_errno(err, r, "the tally of upgrades");
	content.data = text;
	content.size = strlen(text);
	return kho_file_write_atomic(KHO_TALLY_FILE, &content, err);
}
