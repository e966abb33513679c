// SPDX-License-Identifier: GPL-2.0-only
/* Whatever is in etcd, or says it's an etcd or a Prometheus: it's read, or refused. */
#include <stdint.h>
#include <stdlib.h>

#include "fleet/etcd_json.h"
#include "fleet/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_answers(const char *text, size_t size)
{
	struct kho_etcd_kvs kvs = {};
	struct kho_err err;
	uint64_t number;
	bool made;

	kho_etcd_range_answer(text, size, &kvs, &err);
	kho_etcd_kvs_done(&kvs);
	kho_etcd_watch_answer(text, size, &kvs, &err);
	kho_etcd_kvs_done(&kvs);
	kho_etcd_txn_answer(text, size, &made, &number, &err);
	kho_etcd_grant_answer(text, size, &number, &err);
	kho_etcd_keep_answer(text, size, &err);
	kho_etcd_error_answer(500, text, size, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct kho_semaphore semaphore;
	static struct kho_rollout rollout;
	static struct kho_node node;
	const struct kho_gate gate = {};
	const char *text = (const char *)data;
	char *again = NULL;
	struct kho_err err;

	read_answers(text, size);
	kho_rollout_spec_parse(text, size, &rollout.spec, &err);
	kho_rollout_parse(text, size, &rollout, &err);
	kho_gate_judge(&gate, text, size, &err);
	kho_slot_parse(text, size, &node, &err);
	if (kho_semaphore_parse(text, size, &semaphore, &err) >= 0 &&
	    kho_semaphore_format(&semaphore, &again, &err) >= 0)
		free(again);
	again = NULL;
	if (kho_node_parse(text, size, &node, &err) < 0)
		return 0;
	if (kho_node_format(&node, &again, &err) < 0)
		abort();
	free(again);
	return 0;
}
