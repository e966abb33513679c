/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cleanup attributes: a local owns what it holds until it is taken.
 *
 *	_cleanup_close_ int fd = -EBADF;
 *	_cleanup_free_ char *text = NULL;
 *	...
 *	*ret_fd = TAKE_FD(fd);
 *	return 0;
 */
#ifndef KHO_BASE_CLEANUP_H
#define KHO_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void kho_cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void kho_cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void kho_cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void kho_cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define _cleanup_(fn)		__attribute__((cleanup(fn)))
#define _cleanup_free_		_cleanup_(kho_cleanup_free)
#define _cleanup_close_		_cleanup_(kho_cleanup_close)
#define _cleanup_fclose_	_cleanup_(kho_cleanup_fclose)
#define _cleanup_closedir_	_cleanup_(kho_cleanup_closedir)
/* who uses it has sd-json.h */
#define _cleanup_variant_	_cleanup_(sd_json_variant_unrefp)

#define TAKE_PTR(p) ({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })
#define TAKE_FD(fd) ({ int taken_ = (fd); (fd) = -EBADF; taken_; })

#endif
