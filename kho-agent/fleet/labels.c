// SPDX-License-Identifier: GPL-2.0-only
/* Labels; labels.h has the idea. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "fleet/labels.h"

static bool is_of(const char *text, const char *others)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr(others, *text))
			return false;
	return true;
}

int kho_name_check(const char *what, const char *name, size_t size, struct kho_err *err)
{
	if (!*name || strlen(name) >= size || name[0] == '.' || !is_of(name, "-_."))
		return kho_fail(err, -EINVAL, "%s \"%.40s\": up to %zu letters, digits, '-', '_' and "
				"'.', which isn't the first", what, name, size - 1);
	return 0;
}

static int add(struct kho_labels *labels, const char *name, size_t length, const char *value,
	       struct kho_err *err)
{
	struct kho_label label = {};
	unsigned int i = 0;

	if (!length || length >= KHO_LABEL_NAME || strlen(value) >= KHO_LABEL_VALUE)
		return kho_fail(err, -EINVAL, "label \"%.40s\": a name, and a value of up to %u "
				"characters", name, KHO_LABEL_VALUE - 1);
	memcpy(label.name, name, length);
	memcpy(label.value, value, strlen(value));
	if (!is_of(label.name, "-_./") || !is_of(value, "-_./:@ "))
		return kho_fail(err, -EINVAL, "label \"%.40s\": letters, digits and -_./ only, and :@ in "
				"its value", name);
	while (i < labels->nr && strcmp(labels->of[i].name, label.name) != 0)
		i++;
	if (i == KHO_LABELS_MAX)
		return kho_fail(err, -EINVAL, "more than %u labels", KHO_LABELS_MAX);
	if (i == labels->nr)
		labels->nr++;
	labels->of[i] = label;
	return 0;
}

int kho_labels_add(struct kho_labels *labels, const char *word, struct kho_err *err)
{
	const char *equals = strchr(word, '=');

	if (!equals)
		return kho_fail(err, -EINVAL, "\"%.40s\" is no label; write NAME=VALUE", word);
	return add(labels, word, (size_t)(equals - word), equals + 1, err);
}

int kho_labels_parse(sd_json_variant *object, struct kho_labels *ret, struct kho_err *err)
{
	struct kho_labels labels = {};
	size_t nr = object ? sd_json_variant_elements(object) : 0;

	for (size_t i = 0; i < nr; i += 2) {
		const char *name = sd_json_variant_string(sd_json_variant_by_index(object, i));
		sd_json_variant *value = sd_json_variant_by_index(object, i + 1);
		int r;

		if (!sd_json_variant_is_string(value))
			return kho_fail(err, -EINVAL, "label \"%.40s\" is to be a text", name);
		r = add(&labels, name, strlen(name), sd_json_variant_string(value), err);
		if (r < 0)
			return r;
	}
	*ret = labels;
	return 0;
}

int kho_labels_build(const struct kho_labels *labels, sd_json_variant **ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r = sd_json_variant_new_object(&v, NULL, 0);

	for (unsigned int i = 0; i < labels->nr && r >= 0; i++)
		r = sd_json_variant_set_field_string(&v, labels->of[i].name, labels->of[i].value);
	if (r < 0)
		return kho_fail_errno(err, r, "labels");
	*ret = v;
	v = NULL;
	return 0;
}

const char *kho_labels_get(const struct kho_labels *labels, const char *name)
{
	for (unsigned int i = 0; i < labels->nr; i++)
		if (strcmp(labels->of[i].name, name) == 0)
			return labels->of[i].value;
	return NULL;
}

bool kho_labels_match(const struct kho_labels *labels, const struct kho_labels *selector)
{
	for (unsigned int i = 0; i < selector->nr; i++) {
		const char *value = kho_labels_get(labels, selector->of[i].name);

		if (!value || strcmp(value, selector->of[i].value) != 0)
			return false;
	}
	return true;
}
