// SPDX-License-Identifier: GPL-2.0-only
/* /run/reboot-required; reboot_file.h has the contract. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/reboot_file.h"
#include "base/cleanup.h"
#include "base/file.h"

#define WANTED		"/run/reboot-required"
#define PACKAGES	"/run/reboot-required.pkgs"
#define PACKAGES_MAX	65536
#define NAME_MAX_SIZE	128
#define TEXT		"*** System restart required ***\n"

void kho_reboot_note(struct kho_reboot_note *note, Kho__RetireReady *ready)
{
	*note = (struct kho_reboot_note){};
	ready->has_reboot_required = true;
	ready->reboot_required = access(WANTED, F_OK) == 0;
	if (!ready->reboot_required ||
	    kho_file_read_string(PACKAGES, PACKAGES_MAX, &note->text, NULL) < 0)
		return;
	ready->n_reboot_packages = kho_reboot_packages(note->text, note->packages);
	ready->reboot_packages = note->packages;
}

void kho_reboot_note_done(struct kho_reboot_note *note)
{
	free(note->text);
	note->text = NULL;
}

static int write_text(const char *path, const char *text, struct kho_err *err)
{
	const struct kho_file_content content = {
		.data = text, .size = strlen(text), .mode = 0644,
	};

	return kho_file_write_atomic(path, &content, err);
}

/* Those that are left, a line each, in *@ret. */
static size_t collect(const Kho__RetireReady *left, const char *release, char *ret, size_t size)
{
	size_t used = 0, nr = 0;

	for (size_t i = 0; i < left->n_reboot_packages && i < KHO_REBOOT_PACKAGES; i++) {
		const char *name = left->reboot_packages[i];

		/* the other kernel's word is no more trusted than a file's */
		if (!kho_reboot_is_name(name) || kho_reboot_is_done(name, release))
			continue;
		used += (size_t)snprintf(ret + used, size - used, "%s\n", name);
		nr++;
	}
	return nr;
}

void kho_reboot_hand_on(struct kho_agent *agent, const Kho__RetireReady *left)
{
	char text[KHO_REBOOT_PACKAGES * (NAME_MAX_SIZE + 1)] = "";
	struct utsname name;
	struct kho_err err;
	size_t nr;

	if (!left || !left->reboot_required || uname(&name) < 0)
		return;
	nr = collect(left, name.release, text, sizeof(text));
	/* nobody knows why it was wanted, if no package was named */
	if (!nr && left->n_reboot_packages)
		return;
	if ((nr && write_text(PACKAGES, text, &err) < 0) || write_text(WANTED, TEXT, &err) < 0) {
		kho_agent_progress(agent, "that a reboot is required was lost: %s", err.msg);
		return;
	}
	kho_agent_progress(agent, "a reboot is still required, by %zu packages: " PACKAGES, nr);
}
