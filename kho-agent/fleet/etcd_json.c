// SPDX-License-Identifier: GPL-2.0-only
/* etcd's JSON; etcd_json.h has the idea. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "fleet/etcd_json.h"
#include "fleet/json.h"

#define KVS_MAX		65536u
#define NUMBER		24


void kho_etcd_kvs_done(struct kho_etcd_kvs *kvs)
{
	for (size_t i = 0; i < kvs->nr; i++)
		free(kvs->of[i].value);
	free(kvs->of);
	*kvs = (struct kho_etcd_kvs){};
}

/* ---- requests ---- */

static int set_bytes(sd_json_variant **object, const char *name, const char *text, size_t size)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r = sd_json_variant_new_base64(&v, text, size);

	return r < 0 ? r : sd_json_variant_set_field(object, name, v);
}

static int set_number(sd_json_variant **object, const char *name, uint64_t number)
{
	char text[NUMBER];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return sd_json_variant_set_field_string(object, name, text);
}

/* key, and range_end: the first text after all that begin with it. */
static int set_key(sd_json_variant **object, const char *key, bool prefix)
{
	char end[KHO_ETCD_KEY];
	size_t size = strlen(key);
	int r = set_bytes(object, "key", key, size);

	if (r < 0 || !prefix)
		return r;
	if (!size || size >= sizeof(end))
		return -EINVAL;
	memcpy(end, key, size);
	end[size - 1]++;
	return set_bytes(object, "range_end", end, size);
}

static int finish(int r, sd_json_variant *object, char **ret, struct kho_err *err)
{
	return r < 0 ? kho_fail_errno(err, r, "request to etcd") : kho_json_format(object, ret, err);
}

int kho_etcd_range_request(const char *key, bool prefix, char **ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r = set_key(&v, key, prefix);

	return finish(r, v, ret, err);
}

int kho_etcd_number_request(const char *name, uint64_t number, char **ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r = set_number(&v, name, number);

	return finish(r, v, ret, err);
}

int kho_etcd_watch_request(const char *prefix, uint64_t revision, char **ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *inner = NULL, *v = NULL;
	int r = set_key(&inner, prefix, true);

	if (r >= 0)
		r = set_number(&inner, "start_revision", revision);
	if (r >= 0)
		r = sd_json_variant_set_field(&v, "create_request", inner);
	return finish(r, v, ret, err);
}

static int build_compare(const struct kho_etcd_compare *compare, sd_json_variant **ret)
{
	bool exists = compare->what == KHO_ETCD_EXISTS;
	bool later = compare->what == KHO_ETCD_NOT_LATER;
	int r = set_key(ret, compare->key, compare->prefix);

	if (r >= 0)
		r = sd_json_variant_set_field_string(ret, "target", exists ? "CREATE" : "MOD");
	if (r >= 0)
		r = sd_json_variant_set_field_string(ret, "result", exists ? "GREATER" :
						     later ? "LESS" : "EQUAL");
	if (r >= 0)
		r = set_number(ret, exists ? "create_revision" : "mod_revision",
			       exists ? 0 : compare->revision + later);
	return r;
}

static int build_op(const struct kho_etcd_op *op, sd_json_variant **ret)
{
	_cleanup_variant_ sd_json_variant *inner = NULL;
	int r = set_key(&inner, op->key, false);

	if (r >= 0 && op->value)
		r = set_bytes(&inner, "value", op->value, strlen(op->value));
	if (r >= 0 && op->value && op->lease)
		r = set_number(&inner, "lease", op->lease);
	if (r >= 0)
		r = sd_json_variant_set_field(ret, op->value ? "request_put" : "request_delete_range",
					      inner);
	return r;
}

int kho_etcd_txn_request(const struct kho_etcd_txn *txn, char **ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *compares = NULL, *ops = NULL, *v = NULL;
	int r = sd_json_variant_new_array(&compares, NULL, 0);

	if (r >= 0)
		r = sd_json_variant_new_array(&ops, NULL, 0);
	for (unsigned int i = 0; i < txn->nr_compares && r >= 0; i++) {
		_cleanup_variant_ sd_json_variant *item = NULL;

		r = build_compare(&txn->compares[i], &item);
		if (r >= 0)
			r = sd_json_variant_append_array(&compares, item);
	}
	for (unsigned int i = 0; i < txn->nr_ops && r >= 0; i++) {
		_cleanup_variant_ sd_json_variant *item = NULL;

		r = build_op(&txn->ops[i], &item);
		if (r >= 0)
			r = sd_json_variant_append_array(&ops, item);
	}
	if (r >= 0)
		r = sd_json_variant_set_field(&v, "compare", compares);
	if (r >= 0)
		r = sd_json_variant_set_field(&v, "success", ops);
	return finish(r, v, ret, err);
}

/* ---- answers ---- */

static int bad(struct kho_err *err, const char *what)
{
	return kho_fail(err, -EBADMSG, "%s isn't etcd's answer; is an etcd at that endpoint?", what);
}

static int get_number(sd_json_variant *object, const char *name, uint64_t *ret, struct kho_err *err)
{
	char text[NUMBER] = "";
	uint64_t number = 0;
	int r = kho_json_text(object, KHO_MAY(name), text, sizeof(text), err);

	if (r >= 0 && *text)
		r = kho_parse_u64(text, &number, err);
	if (r < 0)
		return bad(err, name);
	*ret = number;
	return 0;
}

/* *@ret is to be freed, with a NUL behind it. */
static int get_bytes(sd_json_variant *object, const char *name, char **ret, size_t *ret_size,
		     struct kho_err *err)
{
	sd_json_variant *v = sd_json_variant_by_key(object, name);
	_cleanup_free_ void *data = NULL;
	size_t size = 0;
	char *text;

	if (v && (!sd_json_variant_is_string(v) || sd_json_variant_unbase64(v, &data, &size) < 0 ||
		  size > KHO_ETCD_VALUE || (size && memchr(data, '\0', size))))
		return bad(err, name);
	text = calloc(1, size + 1);
	if (!text)
		return kho_fail(err, -ENOMEM, "no memory for etcd's answer");
	if (size)
		memcpy(text, data, size);
	*ret = text;
	*ret_size = size;
	return 0;
}

static int get_kv(sd_json_variant *object, bool deleted, struct kho_etcd_kv *kv, struct kho_err *err)
{
	_cleanup_free_ char *key = NULL;
	size_t size = 0;
	int r;

	if (!object || !sd_json_variant_is_object(object))
		return bad(err, "a key");
	r = get_bytes(object, "key", &key, &size, err);
	if (r < 0)
		return r;
	if (!size || size >= sizeof(kv->key))
		return bad(err, "a key");
	memcpy(kv->key, key, size + 1);
	r = get_number(object, "mod_revision", &kv->revision, err);
	if (r >= 0)
		r = get_number(object, "lease", &kv->lease, err);
	if (r >= 0 && !deleted)
		r = get_bytes(object, "value", &kv->value, &kv->size, err);
	return r;
}

static int get_header(sd_json_variant *object, uint64_t *ret, struct kho_err *err)
{
	sd_json_variant *header = sd_json_variant_by_key(object, "header");

	if (!header || !sd_json_variant_is_object(header))
		return bad(err, "\"header\"");
	return get_number(header, "revision", ret, err);
}

/* Those of an array: of keys, or of events. */
static int get_kvs(sd_json_variant *list, bool events, struct kho_etcd_kvs *kvs, struct kho_err *err)
{
	size_t nr = list ? sd_json_variant_elements(list) : 0;

	if (nr > KVS_MAX)
		return kho_fail(err, -EBADMSG, "etcd answers with %zu keys, which are too many", nr);
	kvs->of = calloc(nr + 1, sizeof(*kvs->of));
	if (!kvs->of)
		return kho_fail(err, -ENOMEM, "no memory for %zu keys", nr);
	for (; kvs->nr < nr; kvs->nr++) {
		sd_json_variant *item = sd_json_variant_by_index(list, kvs->nr);
		char type[16] = "PUT";
		int r;

		if (!item || !sd_json_variant_is_object(item))
			return bad(err, "an event");
		if (events && kho_json_text(item, KHO_MAY("type"), type, sizeof(type), err) < 0)
			return bad(err, "an event");
		r = get_kv(events ? sd_json_variant_by_key(item, "kv") : item,
			   strcmp(type, "DELETE") == 0, &kvs->of[kvs->nr], err);
		if (r < 0) {
			free(kvs->of[kvs->nr].value);
			return r;
		}
	}
	return 0;
}

static int parse(const char *text, size_t size, sd_json_variant **ret, struct kho_err *err)
{
	int r = kho_json_parse(text, size, ret, err);

	return r < 0 ? kho_wrap(err, r, "etcd's answer") : 0;
}

int kho_etcd_range_answer(const char *text, size_t size, struct kho_etcd_kvs *ret,
			  struct kho_err *err)
{
	_cleanup_(kho_etcd_kvs_done) struct kho_etcd_kvs kvs = {};
	_cleanup_variant_ sd_json_variant *v = NULL;
	sd_json_variant *list = NULL;
	int r = parse(text, size, &v, err);

	if (r >= 0)
		r = get_header(v, &kvs.revision, err);
	if (r >= 0 && kho_json_array(v, KHO_MAY("kvs"), &list, err) < 0)
		r = bad(err, "\"kvs\"");
	if (r >= 0)
		r = get_kvs(list, false, &kvs, err);
	if (r < 0)
		return r;
	*ret = kvs;
	kvs = (struct kho_etcd_kvs){};
	return 0;
}

int kho_etcd_txn_answer(const char *text, size_t size, bool *ret_made, uint64_t *ret_revision,
			struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	uint64_t revision = 0;
	bool made = false;
	int r = parse(text, size, &v, err);

	if (r >= 0)
		r = get_header(v, &revision, err);
	if (r >= 0 && kho_json_flag(v, KHO_MAY("succeeded"), &made, err) < 0)
		r = bad(err, "\"succeeded\"");
	if (r < 0)
		return r;
	*ret_made = made;
	*ret_revision = revision;
	return 0;
}

int kho_etcd_grant_answer(const char *text, size_t size, uint64_t *ret, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	uint64_t id = 0;
	int r = parse(text, size, &v, err);

	if (r >= 0)
		r = get_number(v, "ID", &id, err);
	if (r >= 0 && !id)
		r = bad(err, "a lease without an id");
	if (r >= 0)
		*ret = id;
	return r;
}

int kho_etcd_keep_answer(const char *text, size_t size, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	sd_json_variant *result;
	uint64_t ttl = 0;
	int r = parse(text, size, &v, err);

	if (r < 0)
		return r;
	result = sd_json_variant_by_key(v, "result");
	if (!result || !sd_json_variant_is_object(result))
		return bad(err, "\"result\"");
	r = get_number(result, "TTL", &ttl, err);
	if (r >= 0 && !ttl)
		return kho_fail(err, -ENOKEY, "the lease has ended; register anew");
	return r;
}

int kho_etcd_watch_answer(const char *text, size_t size, struct kho_etcd_kvs *ret,
			  struct kho_err *err)
{
	_cleanup_(kho_etcd_kvs_done) struct kho_etcd_kvs kvs = {};
	_cleanup_variant_ sd_json_variant *v = NULL;
	sd_json_variant *result, *events = NULL;
	bool canceled = false;
	int r = parse(text, size, &v, err);

	if (r < 0)
		return r;
	result = sd_json_variant_by_key(v, "result");
	if (!result || !sd_json_variant_is_object(result))
		return kho_fail(err, -ESTALE, "the watch has ended; read all again");
	if (kho_json_flag(result, KHO_MAY("canceled"), &canceled, err) < 0 ||
	    kho_json_array(result, KHO_MAY("events"), &events, err) < 0)
		return bad(err, "a watch's line");
	if (canceled)
		return kho_fail(err, -ESTALE, "the watch was ended by etcd; read all again");
	r = get_header(result, &kvs.revision, err);
	if (r >= 0)
		r = get_kvs(events, true, &kvs, err);
	if (r < 0)
		return r;
	*ret = kvs;
	kvs = (struct kho_etcd_kvs){};
	return 0;
}

/* ---- errors ---- */

static int code_of(long status, const char *words)
{
	static const struct {
		const char *words;
		int code;
	} known[] = {
		{ "permission denied", -EACCES }, { "user name", -EACCES },
		{ "authentication failed", -EACCES }, { "invalid auth token", -EACCES },
		{ "timed out", -ETIMEDOUT }, { "no leader", -ETIMEDOUT },
		{ "deadline exceeded", -ETIMEDOUT }, { "leader changed", -ETIMEDOUT },
		{ "requested lease not found", -ENOKEY },
	};

	for (size_t i = 0; i < KHO_ARRAY_SIZE(known); i++)
		if (strstr(words, known[i].words))
			return known[i].code;
	return status == 401 || status == 403 ? -EACCES :
	       status == 503 || status == 504 ? -ETIMEDOUT : -EIO;
}

int kho_etcd_error_answer(long status, const char *text, size_t size, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	sd_json_variant *message = NULL;
	const char *words = "";

	if (kho_json_parse(text, size, &v, NULL) >= 0) {
		message = sd_json_variant_by_key(v, "error") ?: sd_json_variant_by_key(v, "message");
		if (message && sd_json_variant_is_string(message))
			words = sd_json_variant_string(message);
	}
	return kho_fail(err, code_of(status, words), "etcd answers %ld: %.200s", status,
			*words ? words : "no words");
}
