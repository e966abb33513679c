// SPDX-License-Identifier: GPL-2.0-only
/* Errors with messages; err.h has the contract. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

static void set(struct kho_err *err, int code, const char *fmt, va_list args)
{
	if (!err)
		return;
	err->code = code;
	vsnprintf(err->msg, sizeof(err->msg), fmt, args);
}

int kho_fail(struct kho_err *err, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set(err, code, fmt, args);
	va_end(args);
	return code;
}

int kho_fail_errno(struct kho_err *err, int code, const char *fmt, ...)
{
	size_t used;
	va_list args;

	va_start(args, fmt);
	set(err, code, fmt, args);
	va_end(args);
	if (err) {
		used = strlen(err->msg);
		snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror(-code));
	}
	return code;
}

int kho_wrap(struct kho_err *err, int code, const char *fmt, ...)
{
	char inner[sizeof(err->msg)];
	size_t used;
	va_list args;

	if (!err)
		return code;
	memcpy(inner, err->msg, sizeof(inner));
	va_start(args, fmt);
	set(err, code, fmt, args);
	va_end(args);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", inner);
	return code;
}
