// SPDX-License-Identifier: GPL-2.0-only
/* The switch of transparent huge pages; huge.h has the idea. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/pages/huge.h"

#define TEXT_MAX	256
#define OFF		"never"

/* "always [madvise] never": the word in brackets, in place. NULL: there's none. */
static char *find_position(char *text)
{
	char *begin = strchr(text, '['), *end = begin ? strchr(begin, ']') : NULL;

	if (!end)
		return NULL;
	*end = '\0';
	return begin + 1;
}

int kho_huge_stop(const struct kho_huge *huge, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	struct kho_file_content content = { .mode = 0600 };
	int r;

	if (access(huge->kept, F_OK) == 0)
		return 0;
	r = kho_file_read_string(huge->path, TEXT_MAX, &text, err);
	if (r < 0)
		return r;
	content.data = find_position(text);
	if (!content.data)
		return kho_fail(err, -EINVAL, "%s doesn't say what it's set to", huge->path);
	if (strcmp(content.data, OFF) == 0)
		return 0;
	content.size = strlen(content.data);
	r = kho_file_write_atomic(huge->kept, &content, err);
	if (r >= 0)
		r = kho_file_write_string(huge->path, OFF, err);
	if (r < 0)
		unlink(huge->kept);
	return r;
}

int kho_huge_allow(const struct kho_huge *huge, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	struct kho_err missing = {};
	int r = kho_file_read_string(huge->kept, TEXT_MAX, &text, &missing);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		*err = missing;
	else
		r = kho_file_write_string(huge->path, text, err);
	if (r >= 0)
		unlink(huge->kept);
	return r;
}
