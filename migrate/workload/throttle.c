// SPDX-License-Identifier: GPL-2.0-only
/* cpu.max and cpu.stat of a cgroup; throttle.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/workload/throttle.h"

#define PATH_SIZE	1100
#define STAT_MAX	65536
#define TEXT_MAX	128
#define ROOT		"/sys/fs/cgroup"
#define NS_PER_US	1000u
#define PERIOD_US	20000u		/* short, so that pauses are */
#define QUOTA_MIN_US	1000u		/* less the kernel doesn't take */

int kho_throttle_usage(const char *cgroup, uint64_t *ret_ns, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	unsigned long long us;
	char path[PATH_SIZE];
	int r;

	snprintf(path, sizeof(path), "%s/cpu.stat", cgroup);
	r = kho_file_read(path, STAT_MAX, &text, NULL, err);
	if (r < 0)
		return r;
	if (sscanf(text, "usage_usec %llu", &us) != 1)
		return kho_fail(err, -EBADMSG, "%s doesn't begin with usage_usec", path);
	*ret_ns = us * NS_PER_US;
	return 0;
}

/* In every folder above it: only then has it files of the controller. */
static int switch_on(const char *cgroup, struct kho_err *err)
{
	size_t at = strlen(ROOT);
	char path[PATH_SIZE];
	int r = 0;

	if (strncmp(cgroup, ROOT "/", at + 1) != 0)
		return kho_fail(err, -EINVAL, "%s is no cgroup", cgroup);
	for (; cgroup[at] == '/' && r >= 0; at += 1 + strcspn(cgroup + at + 1, "/")) {
		snprintf(path, sizeof(path), "%.*s/cgroup.subtree_control", (int)at, cgroup);
		r = kho_file_write_string(path, "+cpu", err);
	}
	return r;
}

/* What's set now goes to the file, unless that's there: it was set by us then. */
static int keep(const struct kho_throttle *throttle, const char *path, struct kho_err *err)
{
	char content_text[PATH_SIZE + TEXT_MAX];
	struct kho_file_content content = { .data = content_text, .mode = 0600 };
	_cleanup_free_ char *text = NULL;
	int r;

	if (access(throttle->kept, F_OK) == 0)
		return 0;
	if (access(path, F_OK) < 0) {
		r = switch_on(throttle->cgroup, err);
		if (r < 0)
			return r;
	}
	r = kho_file_read_string(path, TEXT_MAX, &text, err);
	if (r < 0)
		return r;
	snprintf(content_text, sizeof(content_text), "%s\n%s", throttle->cgroup, text);
	content.size = strlen(content_text);
	return kho_file_write_atomic(throttle->kept, &content, err);
}

int kho_throttle_set(const struct kho_throttle *throttle, uint32_t permille, struct kho_err *err)
{
	uint64_t period = PERIOD_US, quota = permille * period / 1000;
	char path[PATH_SIZE], text[TEXT_MAX];
	int r;

	if (!permille)
		return kho_fail(err, -EINVAL, "no CPU time at all isn't slow, it's frozen");
	if (quota < QUOTA_MIN_US) {
		quota = QUOTA_MIN_US;
		period = quota * 1000 / permille;
	}
	snprintf(path, sizeof(path), "%s/cpu.max", throttle->cgroup);
	r = keep(throttle, path, err);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)quota,
		 (unsigned long long)period);
	return kho_file_write_string(path, text, err);
}

/* "cgroup\ntext" */
static int put_back(char *content, struct kho_err *err)
{
	char *end = strchr(content, '\n');
	char path[PATH_SIZE];

	if (!end || strncmp(content, ROOT "/", strlen(ROOT) + 1) != 0)
		return kho_fail(err, -EBADMSG, "the record of a workload that was slowed down is "
				"damaged; see cpu.max of its cgroup");
	*end = '\0';
	snprintf(path, sizeof(path), "%s/cpu.max", content);
	return kho_file_write_string(path, end + 1, err);
}

int kho_throttle_end(const char *kept, struct kho_err *err)
{
	_cleanup_free_ char *content = NULL;
	struct kho_err why = {};
	int r = kho_file_read_string(kept, PATH_SIZE + TEXT_MAX, &content, &why);

	if (r == -ENOENT)
		return 0;
	if (r >= 0)
		r = put_back(content, &why);
	if (r < 0 && r != -ENOENT) {
		*err = why;
		return r;
	}
	unlink(kept);
	return 0;
}
