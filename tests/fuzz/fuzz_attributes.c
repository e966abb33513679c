// SPDX-License-Identifier: GPL-2.0-only
/* Attributes of tasks from another kernel: what's taken reads the same when it's written again. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "migrate/workload/attributes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_again(struct kho_attributes *first)
{
	struct kho_attributes second = {};
	struct kho_cpus mapped;
	char *text, *copy, *again;

	require(kho_attributes_format(first, &text, NULL) == 0);
	copy = strdup(text);
	require(copy && kho_attributes_parse(copy, &second, NULL) == 0);
	require(kho_attributes_format(&second, &again, NULL) == 0);
	require(strcmp(text, again) == 0);
	for (size_t i = 0; i < second.nr_tasks; i++) {
		kho_attributes_map_cpus(&second.tasks[i].cpus, &first->online, &second.online,
					&mapped);
		require(kho_cpus_count(&mapped) <= kho_cpus_count(&second.online));
	}
	kho_attributes_done(&second);
	free(text);
	free(copy);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_attributes attributes = {};
	char *text = malloc(size + 1);
	struct kho_err err;
	int r;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	r = kho_attributes_parse(text, &attributes, &err);
	if (r == 0)
		check_again(&attributes);
	else
		require(r == -EBADMSG);
	kho_attributes_done(&attributes);
	free(text);
	return 0;
}
