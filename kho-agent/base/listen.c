// SPDX-License-Identifier: GPL-2.0-only
/* Addresses to listen at. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/listen.h"
#include "base/parse.h"

#define WORD	80

static int parse_port(const char *text, in_port_t *ret, struct kho_err *err)
{
	uint32_t port;

	if (kho_parse_u32(text, &port, NULL) < 0 || port == 0 || port > UINT16_MAX)
		return kho_fail(err, -EINVAL, "\"%.20s\" is no port, 1 to 65535", text);
	*ret = htons((uint16_t)port);
	return 0;
}

static int add_ipv4(struct kho_listen *listen, const char *address, in_port_t port)
{
	struct sockaddr_in *in = &listen->addresses[listen->nr].in;

	*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
	if (inet_pton(AF_INET, address, &in->sin_addr) != 1)
		return -EINVAL;
	listen->nr++;
	return 0;
}

static int add_ipv6(struct kho_listen *listen, const char *address, in_port_t port)
{
	struct sockaddr_in6 *in6 = &listen->addresses[listen->nr].in6;

	*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
	if (inet_pton(AF_INET6, address, &in6->sin6_addr) != 1)
		return -EINVAL;
	listen->nr++;
	return 0;
}

/* @word is changed. */
static int add_word(struct kho_listen *listen, char *word, struct kho_err *err)
{
	char *colon = strrchr(word, ':'), *address = word;
	size_t len = colon ? (size_t)(colon - word) : 0;
	in_port_t port = 0;
	int r = parse_port(colon ? colon + 1 : word, &port, err);

	if (r < 0)
		return r;
	if (listen->nr + 2 - !!colon > KHO_LISTEN_MAX)
		return kho_fail(err, -EINVAL, "more than %u addresses", KHO_LISTEN_MAX);
	if (!colon) {
		r = add_ipv4(listen, "127.0.0.1", port);
		return r < 0 ? r : add_ipv6(listen, "::1", port);
	}
	*colon = '\0';
	if (len > 1 && word[0] == '[' && word[len - 1] == ']') {
		word[len - 1] = '\0';
		r = add_ipv6(listen, address + 1, port);
	} else {
		r = add_ipv4(listen, address, port);
	}
	return r < 0 ? kho_fail(err, r, "\"%.40s\" is no address; give 127.0.0.1:PORT, [::1]:PORT, or "
				"a port alone", address) : 0;
}

int kho_listen_parse(const char *text, struct kho_listen *ret, struct kho_err *err)
{
	struct kho_listen listen = {};
	char word[WORD];
	int r = 0;

	while (*(text += strspn(text, " \t")) && r >= 0) {
		size_t len = strcspn(text, " \t");

		if (len >= sizeof(word))
			return kho_fail(err, -EINVAL, "\"%.40s...\" is no address", text);
		snprintf(word, sizeof(word), "%.*s", (int)len, text);
		text += len;
		r = add_word(&listen, word, err);
	}
	if (r >= 0)
		*ret = listen;
	return r;
}
