// SPDX-License-Identifier: GPL-2.0-only
/*
 * Texts of /proc as a hostile task may shape them (names of files, of memfds, of
 * keys): whatever they hold, findings are whole and of known kinds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "migrate/workload/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check(const struct kho_findings *findings)
{
	char text[1024];

	require(findings->nr <= KHO_FINDINGS);
	for (unsigned int i = 0; i < findings->nr; i++) {
		const struct kho_finding *finding = &findings->list[i];

		require(kho_finding_kind(kho_finding_name(finding->kind)) == finding->kind);
		require(memchr(finding->where, '\0', sizeof(finding->where)) != NULL);
		require(memchr(finding->cause, '\0', sizeof(finding->cause)) != NULL);
		require(*finding->cause && *finding->remedy);
		kho_finding_format(finding, text, sizeof(text));
	}
}

static int look(void *ctx, const char *path)
{
	(void)ctx;
	require(path[0] == '/');
	return 0;
}

static bool even(void *ctx, pid_t pid)
{
	(void)ctx;
	return pid % 2 == 0;
}

static void look_at_descriptors(struct kho_findings *findings, const char *text)
{
	const struct kho_inspect_socket socket = {
		.family = (unsigned char)text[0], .type = (unsigned char)text[0] / 8 % 8,
		.protocol = (unsigned char)text[0] * 3, .ulp = text,
		.connected = true, .peer_name = text,
	};
	struct kho_inspect_fd fd = {
		.pid = 1, .fd = 2, .link = text, .info = text, .mode = S_IFREG, .size = 1ull << 60,
	};

	kho_inspect_fd(findings, &fd);
	kho_inspect_locks(findings, &fd, even, NULL);
	fd.mode = S_IFCHR;
	kho_inspect_fd(findings, &fd);
	fd.socket = &socket;
	kho_inspect_fd(findings, &fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct kho_findings findings;
	static struct kho_cpu_sight old, new;
	char *text = malloc(size + 1);

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	findings = (struct kho_findings){};
	kho_inspect_status(&findings, 1, text);
	kho_inspect_maps(&findings, 1, text);
	kho_inspect_keys(&findings, 0, text);
	kho_inspect_exe(&findings, 1, data, size);
	require(kho_inspect_mapped(text, look, NULL) == 0);
	look_at_descriptors(&findings, text);
	kho_cpu_flags(text, old.flags);
	kho_inspect_cpu(&findings, &old, &new);
	check(&findings);
	free(text);
	return 0;
}
