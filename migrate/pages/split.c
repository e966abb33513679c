// SPDX-License-Identifier: GPL-2.0-only
/* Splitting huge pages; split.h has the idea. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/pages/split.h"

#define CONTROL		"/sys/kernel/debug/split_huge_pages"
#define SMAPS_MAX	(64u << 20)
#define HUGE_KEY	"AnonHugePages:"

/* "7f00-7f10 rw-p ..." begins a mapping; its values follow, a line each. */
static bool read_range(const char *line, struct kho_pages_range *ret)
{
	char *end;

	ret->start = strtoull(line, &end, 16);
	if (end == line || *end != '-')
		return false;
	line = end + 1;
	ret->end = strtoull(line, &end, 16);
	return end != line && *end == ' ' && ret->start < ret->end;
}

bool kho_pages_next_huge(const char **at, struct kho_pages_range *ret)
{
	struct kho_pages_range range = {}, found;
	const char *line = *at, *next;

	for (; *line; line = next) {
		next = line + strcspn(line, "\n");
		next += *next == '\n';
		if (read_range(line, &found))
			range = found;
		else if (strncmp(line, HUGE_KEY, strlen(HUGE_KEY)) == 0 && range.end &&
			 strtoull(line + strlen(HUGE_KEY), NULL, 10)) {
			*at = next;
			*ret = range;
			return true;
		}
	}
	*at = line;
	return false;
}

static int split_range(int control, pid_t pid, const struct kho_pages_range *range)
{
	char text[96];
	int size = snprintf(text, sizeof(text), "%d,0x%" PRIx64 ",0x%" PRIx64, pid, range->start,
			    range->end);

	return write(control, text, (size_t)size) < 0 ? -errno : 0;
}

int kho_pages_split(pid_t pid, struct kho_err *err)
{
	_cleanup_close_ int control = open(CONTROL, O_WRONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct kho_pages_range range;
	char path[64];
	const char *at;
	int r;

	if (control < 0)
		return kho_fail_errno(err, -errno, CONTROL);
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	r = kho_file_read(path, SMAPS_MAX, &text, NULL, err);
	if (r < 0)
		return r;
	for (at = text; r >= 0 && kho_pages_next_huge(&at, &range);)
		r = split_range(control, pid, &range);
	return r < 0 ? kho_fail_errno(err, r, "splitting huge pages of process %d", pid) : 0;
}
