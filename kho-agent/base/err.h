/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Errors: a negative errno for programs, a message for people.
 *
 * A function that can fail for more than one reason takes a struct kho_err *
 * as its last argument and returns a negative errno. Library code never logs
 * and never exits; it says what went wrong and what to do about it, and each
 * level that knows more puts its context in front ("spawn: kernel image: ...").
 *
 *	return kho_fail(err, -EINVAL, "%s: not a bzImage; give a vmlinuz", path);
 *	...
 *	r = image_load(path, &image, err);
 *	if (r < 0)
 *		return kho_wrap(err, r, "target image");
 */
#ifndef KHO_BASE_ERR_H
#define KHO_BASE_ERR_H

struct kho_err {
	int code;		/* negative errno, 0: no error was reported */
	char msg[512];		/* cause and remedy, one line, no newline */
};

/* Fills @err (may be NULL) and returns @code. */
int kho_fail(struct kho_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As kho_fail(), with ": strerror(-code)" at the end. */
int kho_fail_errno(struct kho_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts context in front of the message; returns @code. */
int kho_wrap(struct kho_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
