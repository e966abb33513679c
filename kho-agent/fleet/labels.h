/* SPDX-License-Identifier: GPL-2.0-only */
/* Labels of machines, and what selects by them: all of the selector's have to be there. Pure. */
#ifndef KHO_FLEET_LABELS_H
#define KHO_FLEET_LABELS_H

#include "fleet/json.h"

#define KHO_LABELS_MAX		16u
#define KHO_LABEL_NAME		64u	/* bytes, terminator included */
#define KHO_LABEL_VALUE		64u

struct kho_label {
	char name[KHO_LABEL_NAME], value[KHO_LABEL_VALUE];
};

/* Zero-initialised: none; as a selector that's everybody. */
struct kho_labels {
	struct kho_label of[KHO_LABELS_MAX];
	unsigned int nr;
};

/* An object of texts. -EINVAL: names are letters, digits and -_./, 16 of them at most. */
int kho_labels_parse(sd_json_variant *object, struct kho_labels *ret, struct kho_err *err);
int kho_labels_build(const struct kho_labels *labels, sd_json_variant **ret, struct kho_err *err);

/* "name=value", which is added or replaced. */
int kho_labels_add(struct kho_labels *labels, const char *word, struct kho_err *err);

/* NULL: it isn't there. */
const char *kho_labels_get(const struct kho_labels *labels, const char *name);
bool kho_labels_match(const struct kho_labels *labels, const struct kho_labels *selector);

/* A name as used in keys: letters, digits and -_. up to @size - 1 of them, the first no dot. */
int kho_name_check(const char *what, const char *name, size_t size, struct kho_err *err);

#endif
