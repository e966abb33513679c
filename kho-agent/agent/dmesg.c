// SPDX-License-Identifier: GPL-2.0-only
/*
 * The peer's log; dmesg.h has the contract.
 *
 * A new kernel that's gone leaves nothing to read: so its log is also kept in a
 * file when it is taken down.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/dmesg.h"
#include "agent/spawn.h"
#include "base/bits.h"
#include "base/file.h"
#include "spawn/dmesg.h"

#define TEXT_MAX	(4 * KHO_MIB)

void kho_text_printable(char *text)
{
	for (; *text; text++)
		if (*text == '\r')
			*text = ' ';
		else if (!isprint((unsigned char)*text) && *text != '\n' && *text != '\t')
			*text = '?';
}

/* What the status page says is a hint from a kernel that may have gone mad. */
static struct mk_range vmcoreinfo_of(const struct kho_session *session)
{
	struct mk_range range = { session->peer->vmcoreinfo, session->peer->vmcoreinfo_size };

	if (session->peer->magic != MK_STATUS_MAGIC || range.size > KHO_MIB ||
	    !kho_ranges_contain(session->region.ranges, session->region.nr_ranges, range.start,
				range.size))
		range = (struct mk_range){};
	return range;
}

static int read_log(const struct kho_session *session, struct kho_dmesg_text *ret,
		    struct kho_err *err)
{
	struct kho_region_view view = {
		.ranges = session->region.ranges,
		.nr_ranges = session->region.nr_ranges,
		.base = session->map.data,
	};
	struct kho_mem mem = kho_region_mem(&view);
	const struct kho_dmesg_source source = {
		.reader = kho_mem_reader(&mem),
		.vmcoreinfo = vmcoreinfo_of(session),
		.ranges = session->region.ranges,
		.nr_ranges = session->region.nr_ranges,
	};

	return kho_dmesg_text(&source, TEXT_MAX, ret, err);
}

void kho_dmesg_keep(struct kho_session *session)
{
	struct kho_dmesg_text text = {};
	struct kho_file_content content = { .mode = 0600 };

	/* no log is what a kernel leaves that never started */
	if (read_log(session, &text, NULL) < 0)
		return;
	content.data = text.text;
	content.size = text.size;
	(void)kho_file_write_atomic(KHO_DMESG_LOG, &content, NULL);
	free(text.text);
}

int kho_dmesg_of_peer(struct kho_agent *agent, char **ret, struct kho_err *err)
{
	struct kho_dmesg_text text = {};
	int r;

	if (!agent->session || agent->session->role != &kho_old_role) {
		r = kho_file_read_string(KHO_DMESG_LOG, TEXT_MAX, ret, NULL);
		return r < 0 ? kho_fail(err, -ENOTCONN, "there's no spawned kernel, and none "
					"has left a log") : 0;
	}
	r = read_log(agent->session, &text, err);
	if (r >= 0)
		*ret = text.text;
	return r;
}
