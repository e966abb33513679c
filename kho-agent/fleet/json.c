// SPDX-License-Identifier: GPL-2.0-only
/* Checked access to JSON; json.h has the idea. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "fleet/json.h"

int kho_json_parse(const char *text, size_t size, sd_json_variant **ret, struct kho_err *err)
{
	_cleanup_free_ char *copy = NULL;
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r;

	if (memchr(text, '\0', size))
		return kho_fail(err, -EBADMSG, "this isn't JSON: there's a NUL in it");
	copy = strndup(text, size);
	if (!copy)
		return kho_fail(err, -ENOMEM, "no memory for JSON");
	r = sd_json_parse(copy, 0, &v, NULL, NULL);
	if (r == -ENOMEM)
		return kho_fail(err, r, "no memory for JSON");
	if (r < 0 || !sd_json_variant_is_object(v))
		return kho_fail(err, -EBADMSG, "this isn't a JSON object; it's cut off, or something "
				"else");
	*ret = TAKE_PTR(v);
	return 0;
}

/* 1: it's there. */
static int find(sd_json_variant *object, struct kho_json_field field, sd_json_variant **ret,
		struct kho_err *err)
{
	sd_json_variant *v = sd_json_variant_by_key(object, field.name);

	if (v && sd_json_variant_is_null(v))
		v = NULL;
	if (!v && field.need)
		return kho_fail(err, -EINVAL, "\"%s\" is missing", field.name);
	*ret = v;
	return !!v;
}

int kho_json_text(sd_json_variant *object, struct kho_json_field field, char *ret, size_t size,
		  struct kho_err *err)
{
	sd_json_variant *v = NULL;
	int r = find(object, field, &v, err);
	const char *text;

	if (r <= 0)
		return r;
	if (!sd_json_variant_is_string(v))
		return kho_fail(err, -EINVAL, "\"%s\" is to be a text", field.name);
	text = sd_json_variant_string(v);
	if (strlen(text) >= size)
		return kho_fail(err, -EINVAL, "\"%s\" is longer than %zu characters", field.name,
				size - 1);
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return kho_fail(err, -EINVAL, "\"%s\" has control characters in it", field.name);
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

int kho_json_number(sd_json_variant *object, struct kho_json_field field, uint64_t *ret,
		    struct kho_err *err)
{
	sd_json_variant *v = NULL;
	int r = find(object, field, &v, err);

	if (r <= 0)
		return r;
	if (!sd_json_variant_is_unsigned(v))
		return kho_fail(err, -EINVAL, "\"%s\" is to be a number, 0 or more", field.name);
	*ret = sd_json_variant_unsigned(v);
	return 0;
}

int kho_json_flag(sd_json_variant *object, struct kho_json_field field, bool *ret,
		  struct kho_err *err)
{
	sd_json_variant *v = NULL;
	int r = find(object, field, &v, err);

	if (r <= 0)
		return r;
	if (!sd_json_variant_is_boolean(v))
		return kho_fail(err, -EINVAL, "\"%s\" is to be true or false", field.name);
	*ret = sd_json_variant_boolean(v);
	return 0;
}

int kho_json_object(sd_json_variant *object, struct kho_json_field field, sd_json_variant **ret,
		    struct kho_err *err)
{
	sd_json_variant *v = NULL;
	int r = find(object, field, &v, err);

	if (r > 0 && !sd_json_variant_is_object(v))
		return kho_fail(err, -EINVAL, "\"%s\" is to be an object", field.name);
	if (r >= 0)
		*ret = v;
	return r < 0 ? r : 0;
}

int kho_json_array(sd_json_variant *object, struct kho_json_field field, sd_json_variant **ret,
		   struct kho_err *err)
{
	sd_json_variant *v = NULL;
	int r = find(object, field, &v, err);

	if (r > 0 && !sd_json_variant_is_array(v))
		return kho_fail(err, -EINVAL, "\"%s\" is to be a list", field.name);
	if (r >= 0)
		*ret = v;
	return r < 0 ? r : 0;
}

int kho_json_only(sd_json_variant *object, const char *const names[], struct kho_err *err)
{
	/* keys and values in turn */
	for (size_t i = 0; i < sd_json_variant_elements(object); i += 2) {
		const char *name = sd_json_variant_string(sd_json_variant_by_index(object, i));
		size_t j = 0;

		while (names[j] && strcmp(names[j], name) != 0)
			j++;
		if (!names[j])
			return kho_fail(err, -EINVAL, "there's no field \"%.40s\"; "
					"/usr/share/doc/kho-fleet/fleet.md has all", name);
	}
	return 0;
}

int kho_json_format(sd_json_variant *object, char **ret, struct kho_err *err)
{
	int r = sd_json_variant_format(object, 0, ret);

	return r < 0 ? kho_fail_errno(err, r, "JSON") : 0;
}
