// SPDX-License-Identifier: GPL-2.0-only
/*
 * Command line builder. Words are told apart as Linux does it: by white space
 * outside of double quotes, a name ends at the first "=", dashes and underscores
 * in names are the same, and "--" ends the kernel's part.
 */
#include "spawn/cmdline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/err.h"

static const char *const own_options[] = {
	"no_ipi_broadcast", "pci", "tsc_early_khz", "tsc", "maxcpus", "any_boot_cpu",
	"kho",				/* the last one: of kernels that have it */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t trimmed_length(const char *text)
{
	size_t n = text ? strlen(text) : 0;

	while (n && is_space(text[n - 1]))
		n--;
	return n;
}

static char fold(char c)
{
	return c == '-' ? '_' : c;
}

static const char *own_option(const char *name, size_t len, bool native)
{
	for (size_t i = 0; i < KHO_ARRAY_SIZE(own_options) - !native; i++) {
		const char *own = own_options[i];
		size_t n = 0;

		while (n < len && own[n] && own[n] == fold(name[n]))
			n++;
		if (n == len && !own[n])
			return own;
	}
	return NULL;
}

/* Length of the word at @text, quotations included; false: one isn't closed. */
static bool word_length(const char *text, size_t len, size_t *ret)
{
	bool quoted = false;
	size_t n;

	for (n = 0; n < len && (quoted || !is_space(text[n])); n++)
		if (text[n] == '"')
			quoted = !quoted;
	*ret = n;
	return !quoted;
}

static int check_word(const char *word, size_t len, bool native, struct kho_err *err)
{
	const char *own;
	size_t name = 0;

	if (word[0] == '"') {
		word++;
		len--;
	}
	while (name < len && word[name] != '=' && word[name] != '"')
		name++;
	own = own_option(word, name, native);
	if (!own)
		return 0;
	return kho_fail(err, -EEXIST, "command line: \"%.*s\": a spawned kernel gets its own %s=; "
			"remove it", (int)len, word, own);
}

static int check_words(const char *text, size_t len, bool native, struct kho_err *err)
{
	size_t word;

	for (size_t at = 0; at < len; at += word) {
		int r;

		if (is_space(text[at])) {
			word = 1;
			continue;
		}
		if (!word_length(text + at, len - at, &word))
			return kho_fail(err, -EINVAL, "command line: a quotation isn't closed "
					"at \"%.40s\"; add the missing quote", text + at);
		if (word == 2 && !memcmp(text + at, "--", 2))
			return 0;
		r = check_word(text + at, word, native, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_text(const char *text, size_t len, bool native, struct kho_err *err)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == 0x7f || (c < ' ' && c != '\t'))
			return kho_fail(err, -EINVAL, "command line: control character 0x%02x after "
					"%zu characters; write it on one line", c, i);
	}
	return check_words(text, len, native, err);
}

int kho_cmdline_build(const struct kho_cmdline_spec *spec, char *ret, size_t size,
		      struct kho_err *err)
{
	size_t user = trimmed_length(spec->user);
	size_t extra = trimmed_length(spec->extra);
	char own[192];
	size_t len;
	int r;

	if (!spec->tsc_khz)
		return kho_fail(err, -EINVAL, "command line: the TSC's frequency isn't known; "
				"run the old kernel on a machine with an invariant TSC");
	r = check_text(spec->extra, extra, spec->native, err);
	if (r < 0)
		return r;
	r = check_text(spec->user, user, spec->native, err);
	if (r < 0)
		return r;
	len = (size_t)snprintf(own, sizeof(own),
			       "no_ipi_broadcast=1 pci=off tsc_early_khz=%" PRIu32 " tsc=nowatchdog "
			       "maxcpus=%zu swiotlb=8192 earlycon=memring,%" PRIx64 "%s%s",
			       spec->tsc_khz, spec->nr_cpus, spec->console,
			       spec->native ? " kho=on" : "",
			       spec->any_boot_cpu ? " any_boot_cpu" : "");
	len += (extra ? extra + 1 : 0) + (user ? user + 1 : 0);
	if (len > spec->limit || len >= size)
		return kho_fail(err, -E2BIG,
				"command line: %zu characters with what a spawned kernel needs, the "
				"kernel takes %zu; shorten it", len,
				spec->limit < size ? spec->limit : size - 1);
	snprintf(ret, size, "%s%s%.*s%s%.*s", own, extra ? " " : "", (int)extra,
		 extra ? spec->extra : "", user ? " " : "", (int)user, user ? spec->user : "");
	return 0;
}
