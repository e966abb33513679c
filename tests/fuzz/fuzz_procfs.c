// SPDX-License-Identifier: GPL-2.0-only
/*
 * The small parsers of system/: mount and interface tables, BARs of a sysfs
 * "resource" file, capabilities of a configuration space, what a machine says of
 * itself. Words must lie within the text they are of.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "system/machine.h"
#include "system/mountinfo.h"
#include "system/pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(const struct kho_word *word, const struct kho_word *line)
{
	if (word->data < line->data || word->data + word->size > line->data + line->size)
		abort();
}

static void parse_line(const struct kho_word *line)
{
	struct kho_mount mount;
	struct kho_word word;

	if (kho_mount_parse(line, &mount)) {
		check_within(&mount.device, line);
		check_within(&mount.point, line);
		check_within(&mount.source, line);
	}
	if (kho_word_field(line, 0, &word))
		check_within(&word, line);
	if (kho_word_last_field(line, &word))
		check_within(&word, line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_pci_bar bars[KHO_PCI_BARS];
	struct kho_pci_caps caps;
	unsigned int major, minor;
	struct kho_word line;
	char *text = malloc(size + 1);
	const char *at = text;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	while (kho_next_line(&at, &line))
		parse_line(&line);
	(void)kho_pci_parse_bars(text, bars, NULL);
	kho_pci_parse_caps(data, size, &caps);
	(void)kho_cmdline_forces_reboot(text);
	(void)kho_interrupts_are_remapped(text);
	(void)kho_release_numbers(text, &major, &minor);
	free(text);
	return 0;
}
