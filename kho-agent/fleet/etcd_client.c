// SPDX-License-Identifier: GPL-2.0-only
/* Calls to etcd; etcd_client.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/now.h"
#include "fleet/etcd_client.h"
#include "fleet/etcd_json.h"
#include "fleet/json.h"

#define DEFAULT_MS	8000u
#define URL		256
#define TOKEN		512
#define ANSWER_MAX	(64u << 20)
#define LINE_MAX_BYTES	(16u << 20)
/* A watch at a member that's cut off from the others would otherwise go on, with nothing to tell. */
#define REQUIRE_LEADER	"Grpc-Metadata-Hasleader: true"

struct kho_etcd_client {
	struct kho_web *http;
	struct kho_web_stream *stream;
	char endpoints[KHO_ETCD_ENDPOINTS][URL];
	unsigned int nr, current;
	uint32_t timeout_ms;
	char *user, *password;
	char header[TOKEN];		/* "Authorization: ..."; "": not authenticated */
};

static int add_endpoint(struct kho_etcd_client *client, char *word, struct kho_err *err)
{
	size_t size = strlen(word);

	while (size && word[size - 1] == '/')
		word[--size] = '\0';
	if ((strncmp(word, "http://", 7) != 0 && strncmp(word, "https://", 8) != 0) || size >= URL - 64)
		return kho_fail(err, -EINVAL, "\"%.60s\" is no endpoint; write https://HOST:2379", word);
	if (client->nr == KHO_ETCD_ENDPOINTS)
		return kho_fail(err, -EINVAL, "more than %u endpoints", KHO_ETCD_ENDPOINTS);
	memcpy(client->endpoints[client->nr++], word, size + 1);
	return 0;
}

static int add_endpoints(struct kho_etcd_client *client, const char *text, struct kho_err *err)
{
	_cleanup_free_ char *words = strdup(text ?: "");
	char *word, *rest;
	int r = words ? 0 : -ENOMEM;

	for (word = words ? strtok_r(words, " ,\t", &rest) : NULL; word && r >= 0;
	     word = strtok_r(NULL, " ,\t", &rest))
		r = add_endpoint(client, word, err);
	if (r >= 0 && !client->nr)
		return kho_fail(err, -EINVAL, "no endpoint of etcd is configured; set Endpoints= in [Fleet]");
	return r;
}

int kho_etcd_client_new(const struct kho_etcd_spec *spec, struct kho_etcd_client **ret,
			struct kho_err *err)
{
	struct kho_etcd_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return kho_fail(err, -ENOMEM, "no memory for etcd's client");
	client->timeout_ms = spec->timeout_ms ?: DEFAULT_MS;
	if (spec->user && *spec->user) {
		client->user = strdup(spec->user);
		client->password = strdup(spec->password ?: "");
	}
	r = add_endpoints(client, spec->endpoints, err);
	if (r >= 0)
		client->current = spec->first % client->nr;
	if (r >= 0)
		r = kho_web_new(&spec->tls, &client->http, err);
	if (r < 0) {
		kho_etcd_client_free(client);
		return r;
	}
	*ret = client;
	return 0;
}

struct kho_etcd_client *kho_etcd_client_free(struct kho_etcd_client *client)
{
	if (!client)
		return NULL;
	kho_web_stream_free(client->stream);
	kho_web_free(client->http);
	if (client->password)
		explicit_bzero(client->password, strlen(client->password));
	free(client->user);
	free(client->password);
	free(client);
	return NULL;
}

/* ---- a call ---- */

static int post_one(struct kho_etcd_client *client, const char *path, const char *body,
		    uint32_t timeout_ms, struct kho_web_answer *ret, struct kho_err *err)
{
	char url[URL + 64];
	struct kho_web_request request = {
		.url = url,
		.body = body,
		.headers = { *client->header ? client->header : NULL },
		.timeout_ms = timeout_ms,
		.max = ANSWER_MAX,
	};
	int r;

	snprintf(url, sizeof(url), "%s/v3/%s", client->endpoints[client->current], path);
	r = kho_web_call(client->http, &request, ret, err);
	if (r >= 0 && ret->status != 200) {
		r = kho_etcd_error_answer(ret->status, ret->body, ret->size, err);
		free(ret->body);
		*ret = (struct kho_web_answer){};
	}
	return r;
}

static bool may_try_another(int r)
{
	return r == -ETIMEDOUT || r == -ECONNREFUSED;
}

/* The watch goes, too: at a member that hangs it would tell nothing for ever, and not end. */
static void leave_endpoint(struct kho_etcd_client *client)
{
	client->current = (client->current + 1) % client->nr;
	client->stream = kho_web_stream_free(client->stream);
}

/* All endpoints, until the time is up. */
static int post(struct kho_etcd_client *client, const char *path, const char *body,
		struct kho_web_answer *ret, struct kho_err *err)
{
	uint64_t end = kho_now_ms(CLOCK_MONOTONIC) + client->timeout_ms;
	int r = -ETIMEDOUT;

	for (unsigned int i = 0; i < client->nr; i++) {
		uint64_t now = kho_now_ms(CLOCK_MONOTONIC);
		uint64_t left = end > now ? end - now : 1;

		if (i && now >= end)
			break;
		/* the others are to have their turn, too */
		if (left > KHO_ETCD_CALL_MS)
			left = KHO_ETCD_CALL_MS;
		r = post_one(client, path, body, (uint32_t)left, ret, err);
		if (!may_try_another(r))
			return r;
		leave_endpoint(client);
	}
	return kho_wrap(err, r, "etcd");
}

static int authenticate(struct kho_etcd_client *client, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *request = NULL, *answer = NULL;
	_cleanup_free_ char *body = NULL;
	struct kho_web_answer got = {};
	char token[TOKEN - 32] = "";
	int r = sd_json_buildo(&request, SD_JSON_BUILD_PAIR_STRING("name", client->user),
			       SD_JSON_BUILD_PAIR_STRING("password", client->password));

	if (r < 0)
		return kho_fail_errno(err, r, "request to etcd");
	client->header[0] = '\0';
	r = kho_json_format(request, &body, err);
	if (r >= 0)
		r = post(client, "auth/authenticate", body, &got, err);
	if (r >= 0)
		r = kho_json_parse(got.body, got.size, &answer, err);
	if (r >= 0)
		r = kho_json_text(answer, KHO_NEED("token"), token, sizeof(token),
				  err);
	if (r >= 0)
		snprintf(client->header, sizeof(client->header), "Authorization: %s", token);
	if (body)
		explicit_bzero(body, strlen(body));
	free(got.body);
	return r < 0 ? kho_wrap(err, r, "etcd's user \"%.40s\"", client->user) : 0;
}

static int call(struct kho_etcd_client *client, const char *path, const char *body,
		struct kho_web_answer *ret, struct kho_err *err)
{
	int r = client->user && !*client->header ? authenticate(client, err) : 0;

	if (r >= 0)
		r = post(client, path, body, ret, err);
	/* tokens end by themselves */
	if (r == -EACCES && client->user && authenticate(client, NULL) >= 0)
		r = post(client, path, body, ret, err);
	return r;
}

/* ---- the ops ---- */

static int do_range(void *ctx, const char *key, bool prefix, struct kho_etcd_kvs *ret,
		    struct kho_err *err)
{
	_cleanup_free_ char *body = NULL;
	struct kho_web_answer answer = {};
	int r = kho_etcd_range_request(key, prefix, &body, err);

	if (r >= 0)
		r = call(ctx, "kv/range", body, &answer, err);
	if (r >= 0)
		r = kho_etcd_range_answer(answer.body, answer.size, ret, err);
	free(answer.body);
	return r;
}

static int do_txn(void *ctx, const struct kho_etcd_txn *txn, bool *ret_made, uint64_t *ret_revision,
		  struct kho_err *err)
{
	_cleanup_free_ char *body = NULL;
	struct kho_web_answer answer = {};
	int r = kho_etcd_txn_request(txn, &body, err);

	if (r >= 0)
		r = call(ctx, "kv/txn", body, &answer, err);
	if (r >= 0)
		r = kho_etcd_txn_answer(answer.body, answer.size, ret_made, ret_revision, err);
	free(answer.body);
	return r;
}

static int do_grant(void *ctx, uint64_t ttl_sec, uint64_t *ret, struct kho_err *err)
{
	_cleanup_free_ char *body = NULL;
	struct kho_web_answer answer = {};
	int r = kho_etcd_number_request("TTL", ttl_sec, &body, err);

	if (r >= 0)
		r = call(ctx, "lease/grant", body, &answer, err);
	if (r >= 0)
		r = kho_etcd_grant_answer(answer.body, answer.size, ret, err);
	free(answer.body);
	return r;
}

static int do_keep(void *ctx, uint64_t lease, struct kho_err *err)
{
	_cleanup_free_ char *body = NULL;
	struct kho_web_answer answer = {};
	int r = kho_etcd_number_request("ID", lease, &body, err);

	if (r >= 0)
		r = call(ctx, "lease/keepalive", body, &answer, err);
	if (r >= 0)
		r = kho_etcd_keep_answer(answer.body, answer.size, err);
	free(answer.body);
	return r;
}

static int do_revoke(void *ctx, uint64_t lease, struct kho_err *err)
{
	_cleanup_free_ char *body = NULL;
	struct kho_web_answer answer = {};
	int r = kho_etcd_number_request("ID", lease, &body, err);

	if (r >= 0)
		r = call(ctx, "lease/revoke", body, &answer, err);
	free(answer.body);
	return r;
}

static int do_watch(void *ctx, const char *prefix, uint64_t revision, struct kho_err *err)
{
	struct kho_etcd_client *client = ctx;
	_cleanup_free_ char *body = NULL;
	char url[URL + 64];
	struct kho_web_request request = { .url = url, .timeout_ms = KHO_ETCD_CALL_MS,
					    .max = LINE_MAX_BYTES, .headers = { REQUIRE_LEADER } };
	int r = kho_etcd_watch_request(prefix, revision, &body, err);

	if (r < 0)
		return r;
	client->stream = kho_web_stream_free(client->stream);
	snprintf(url, sizeof(url), "%s/v3/watch", client->endpoints[client->current]);
	request.body = body;
	request.headers[1] = *client->header ? client->header : NULL;
	return kho_web_stream_new(client->http, &request, &client->stream, err);
}

static int do_watch_next(void *ctx, uint32_t timeout_ms, struct kho_etcd_kvs *ret,
			 struct kho_err *err)
{
	struct kho_etcd_client *client = ctx;
	_cleanup_free_ char *line = NULL;
	int r;

	if (!client->stream)
		return kho_fail(err, -ESTALE, "there's no watch; read all again");
	r = kho_web_stream_line(client->stream, timeout_ms, &line, err);
	if (r >= 0 && !line) {
		*ret = (struct kho_etcd_kvs){};
		return 0;
	}
	if (r >= 0)
		r = kho_etcd_watch_answer(line, strlen(line), ret, err);
	if (r >= 0)
		return 0;
	client->stream = kho_web_stream_free(client->stream);
	return kho_wrap(err, -ESTALE, "the watch");
}

static const struct kho_etcd_ops ops = {
	.range = do_range,
	.txn = do_txn,
	.grant = do_grant,
	.keep = do_keep,
	.revoke = do_revoke,
	.watch = do_watch,
	.watch_next = do_watch_next,
};

struct kho_etcd kho_etcd_client_ops(struct kho_etcd_client *client)
{
	return (struct kho_etcd){ &ops, client };
}
