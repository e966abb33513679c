// SPDX-License-Identifier: GPL-2.0-only
/* HTTP by libcurl; web.h has the idea. */
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/now.h"
#include "fleet/web.h"

#define CONNECT_MS	3000L

struct kho_web {
	CURL *easy;
	char *ca, *certificate, *key;
};

/* What has come, up to a limit. */
struct buffer {
	char *data;
	size_t size, max;
	bool full;
};

static size_t take(char *data, size_t one, size_t nr, void *userdata)
{
	struct buffer *buffer = userdata;
	size_t size = one * nr;
	char *more;

	if (size > buffer->max - buffer->size) {
		buffer->full = true;
		return 0;
	}
	more = realloc(buffer->data, buffer->size + size + 1);
	if (!more)
		return 0;
	memcpy(more + buffer->size, data, size);
	buffer->data = more;
	buffer->size += size;
	more[buffer->size] = '\0';
	return size;
}

struct kho_web *kho_web_free(struct kho_web *http)
{
	if (!http)
		return NULL;
	curl_easy_cleanup(http->easy);
	free(http->ca);
	free(http->certificate);
	free(http->key);
	free(http);
	return NULL;
}

static char *copy(const char *text)
{
	return text && *text ? strdup(text) : NULL;
}

int kho_web_new(const struct kho_web_tls *tls, struct kho_web **ret, struct kho_err *err)
{
	struct kho_web *http = calloc(1, sizeof(*http));

	if (http && tls) {
		http->ca = copy(tls->ca);
		http->certificate = copy(tls->certificate);
		http->key = copy(tls->key);
	}
	if (http)
		http->easy = curl_easy_init();
	if (!http || !http->easy) {
		kho_web_free(http);
		return kho_fail(err, -ENOMEM, "no memory for HTTP");
	}
	*ret = http;
	return 0;
}

static void set_options(const struct kho_web *http, CURL *easy)
{
	curl_easy_reset(easy);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 10L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
	if (http->ca)
		curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca);
	if (http->certificate)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, http->certificate);
	if (http->key)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, http->key);
}

static void add_header(struct curl_slist **headers, const char *header)
{
	struct curl_slist *more = header ? curl_slist_append(*headers, header) : NULL;

	if (more)
		*headers = more;
}

/* *@headers is to be freed when the request is over. */
static void set_request(CURL *easy, const struct kho_web_request *request,
			struct curl_slist **headers)
{
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	if (request->body) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(request->body));
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body);
		add_header(headers, "Content-Type: application/json");
	}
	for (size_t i = 0; i < sizeof(request->headers) / sizeof(request->headers[0]); i++)
		add_header(headers, request->headers[i]);
	if (*headers)
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers);
}

static int explain(CURLcode code, const char *url, struct kho_err *err)
{
	const char *words = curl_easy_strerror(code);

	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return kho_fail(err, -ETIMEDOUT, "%.80s: no answer in time", url);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return kho_fail(err, -ECONNREFUSED, "%.80s: %s; is it up, and the name right?", url,
				words);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
		return kho_fail(err, -EACCES, "%.80s: %s; look at CA=, Certificate= and Key=", url, words);
	default:
		return kho_fail(err, -EIO, "%.80s: %s", url, words);
	}
}

int kho_web_call(struct kho_web *http, const struct kho_web_request *request,
		  struct kho_web_answer *ret, struct kho_err *err)
{
	struct buffer buffer = { .max = request->max };
	struct curl_slist *headers = NULL;
	CURLcode code;
	long status = 0;

	set_options(http, http->easy);
	set_request(http->easy, request, &headers);
	curl_easy_setopt(http->easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	curl_easy_setopt(http->easy, CURLOPT_CONNECTTIMEOUT_MS,
			 request->timeout_ms < CONNECT_MS ? (long)request->timeout_ms : CONNECT_MS);
	curl_easy_setopt(http->easy, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(http->easy, CURLOPT_WRITEDATA, &buffer);
	code = curl_easy_perform(http->easy);
	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	if (code == CURLE_OK && !buffer.data)
		buffer.data = calloc(1, 1);
	if (code != CURLE_OK || !buffer.data) {
		free(buffer.data);
		if (buffer.full)
			return kho_fail(err, -EFBIG, "%.80s: an answer of more than %zu bytes",
					request->url, request->max);
		return explain(code, request->url, err);
	}
	*ret = (struct kho_web_answer){ .status = status, .body = buffer.data, .size = buffer.size };
	return 0;
}

/* ---- streams ---- */

struct kho_web_stream {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	struct buffer buffer;
	char *url;
	bool over;
	CURLcode code;
};

struct kho_web_stream *kho_web_stream_free(struct kho_web_stream *stream)
{
	if (!stream)
		return NULL;
	if (stream->multi && stream->easy)
		curl_multi_remove_handle(stream->multi, stream->easy);
	curl_easy_cleanup(stream->easy);
	if (stream->multi)
		curl_multi_cleanup(stream->multi);
	curl_slist_free_all(stream->headers);
	free(stream->buffer.data);
	free(stream->url);
	free(stream);
	return NULL;
}

int kho_web_stream_new(struct kho_web *http, const struct kho_web_request *request,
			struct kho_web_stream **ret, struct kho_err *err)
{
	struct kho_web_stream *stream = calloc(1, sizeof(*stream));

	if (stream) {
		stream->multi = curl_multi_init();
		stream->easy = curl_easy_init();
		stream->url = strdup(request->url);
		stream->buffer.max = request->max;
	}
	if (!stream || !stream->multi || !stream->easy || !stream->url) {
		kho_web_stream_free(stream);
		return kho_fail(err, -ENOMEM, "no memory for HTTP");
	}
	set_options(http, stream->easy);
	set_request(stream->easy, request, &stream->headers);
	curl_easy_setopt(stream->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_ms);
	curl_easy_setopt(stream->easy, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(stream->easy, CURLOPT_WRITEDATA, &stream->buffer);
	curl_multi_add_handle(stream->multi, stream->easy);
	*ret = stream;
	return 0;
}

/* NULL: there's no whole one yet. */
static char *cut_line(struct buffer *buffer)
{
	char *end = buffer->size ? memchr(buffer->data, '\n', buffer->size) : NULL;
	size_t size = end ? (size_t)(end - buffer->data) : 0;
	char *line = end ? strndup(buffer->data, size) : NULL;

	if (!line)
		return NULL;
	buffer->size -= size + 1;
	memmove(buffer->data, end + 1, buffer->size + 1);
	return line;
}

static void drive(struct kho_web_stream *stream)
{
	CURLMsg *message;
	int left;

	curl_multi_perform(stream->multi, &left);
	while ((message = curl_multi_info_read(stream->multi, &left)))
		if (message->msg == CURLMSG_DONE) {
			stream->over = true;
			stream->code = message->data.result;
		}
}

int kho_web_stream_line(struct kho_web_stream *stream, uint32_t timeout_ms, char **ret,
			 struct kho_err *err)
{
	uint64_t now = kho_now_ms(CLOCK_MONOTONIC), end = now + timeout_ms;
	char *line;

	for (;;) {
		if (!stream->over)
			drive(stream);
		line = cut_line(&stream->buffer);
		if (line || (now >= end && !stream->over)) {
			*ret = line;
			return 0;
		}
		if (stream->over && stream->code != CURLE_OK)
			return explain(stream->code, stream->url, err);
		if (stream->over)
			return kho_fail(err, -EPIPE, "%.80s: the stream has ended", stream->url);
		curl_multi_poll(stream->multi, NULL, 0, (int)(end - now), NULL);
		now = kho_now_ms(CLOCK_MONOTONIC);
	}
}

char *kho_web_escape(const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0);
	char *own = escaped ? strdup(escaped) : NULL;

	curl_free(escaped);
	return own;
}
