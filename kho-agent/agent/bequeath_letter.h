/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside a move by kexec: what is kept, and the letter that says so (channel/bequest.h). */
#ifndef KHO_AGENT_BEQUEATH_LETTER_H
#define KHO_AGENT_BEQUEATH_LETTER_H

#include "agent/move.h"
#include "channel/bequest.h"

#define KHO_BEQUEATH_FILES	(KHO_BEQUEST_ITEMS * _KHO_BEQUEST_SORT_MAX)

struct kho_kept {
	enum kho_bequest_sort sort;
	uint32_t item;
	int fd;
	bool ours;			/* to close */
	uint64_t token, size;
};

struct kho_bequeathal {
	int device, session;		/* LUO's */
	uint64_t predicted_ms;
	struct kho_kept kept[KHO_BEQUEATH_FILES];
	unsigned int nr;
};

/* When all is kept; *@ret is to be freed by free(). */
int kho_bequeath_write_letter(struct kho_mover *mover, char **ret, size_t *ret_size,
			      struct kho_err *err);

#endif
