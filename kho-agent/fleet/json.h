/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fields of JSON objects that came from outside: type, size and range are checked first.
 * A field that isn't there leaves *@ret as it was; with "need" it's an error.
 *
 *   -EINVAL  it's of another type, too long, out of range, or isn't there
 */
#ifndef KHO_FLEET_JSON_H
#define KHO_FLEET_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-json.h>

#include "base/err.h"

struct kho_json_field {
	const char *name;
	bool need;
};

#define KHO_NEED(name)	(struct kho_json_field){ (name), true }
#define KHO_MAY(name)	(struct kho_json_field){ (name), false }

/* One object out of a text of @size bytes. -EBADMSG: it isn't one. */
int kho_json_parse(const char *text, size_t size, sd_json_variant **ret, struct kho_err *err);

/* @size: of @ret, terminator included. */
int kho_json_text(sd_json_variant *object, struct kho_json_field field, char *ret, size_t size,
		  struct kho_err *err);

int kho_json_number(sd_json_variant *object, struct kho_json_field field, uint64_t *ret,
		    struct kho_err *err);
int kho_json_flag(sd_json_variant *object, struct kho_json_field field, bool *ret,
		  struct kho_err *err);

/* NULL in *@ret: it isn't there. Borrowed. */
int kho_json_object(sd_json_variant *object, struct kho_json_field field, sd_json_variant **ret,
		    struct kho_err *err);
int kho_json_array(sd_json_variant *object, struct kho_json_field field, sd_json_variant **ret,
		   struct kho_err *err);

/* Refuses fields that aren't in @names, which ends with NULL: a slip of the pen isn't a default. */
int kho_json_only(sd_json_variant *object, const char *const names[], struct kho_err *err);

/* *@ret: to be freed. */
int kho_json_format(sd_json_variant *object, char **ret, struct kho_err *err);

#endif
