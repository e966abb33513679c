// SPDX-License-Identifier: GPL-2.0-only
/* khoctl status. */
#include <stdio.h>
#include <time.h>

#include "api/api.h"
#include "base/bits.h"
#include "khoctl/khoctl.h"

static unsigned long long number(sd_json_variant *answer, const char *name)
{
	return kho_field_number(answer, name);
}

static void print_peer(sd_json_variant *s)
{
	sd_json_variant *connected = sd_json_variant_by_key(s, "connected");

	printf("    peer: %s, %s%s\n", kho_field_text(s, "peerRelease") ?: "(not known yet)",
	       kho_field_text(s, "peerState"),
	       connected && sd_json_variant_boolean(connected) ? ", connected" : "");
	printf("  region: %llu MiB, %llu CPUs lent\n",
	       number(s, "regionBytes") / KHO_MIB, number(s, "lentCpus"));
}

/* It's the other kernel's upgrade, whose agent may have ended since. */
static void print_told(sd_json_variant *u)
{
	time_t when = (time_t)(number(u, "toldMs") / 1000);
	char text[32] = "?";
	struct tm tm;

	if (gmtime_r(&when, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	printf("          (as the other kernel's agent told at %s%s%s)\n", text,
	       *(kho_field_text(u, "message") ?: "") ? "; " : "", kho_field_text(u, "message") ?: "");
}

static void print_upgrade(sd_json_variant *u)
{
	sd_json_variant *held = sd_json_variant_by_key(u, "held");
	unsigned long long left = number(u, "soakLeftMs");

	printf(" upgrade: %s to %s, in \"%s\"", kho_field_text(u, "id"), kho_field_text(u, "image"),
	       kho_field_text(u, "state"));
	if (left)
		printf(" for %llu s more", (left + 999) / 1000);
	else if (held && sd_json_variant_boolean(held))
		printf(", held until khoctl commit or khoctl abort");
	if (kho_field_text(u, "step"))
		printf(", at %s", kho_field_text(u, "step"));
	putchar('\n');
	if (number(u, "toldMs"))
		print_told(u);
}

static void print_status(sd_json_variant *s)
{
	printf("  kernel: %s (%s, number %llu since reset)\n",
	       kho_field_text(s, "release"), kho_field_text(s, "role"),
	       number(s, "instance"));
	printf("   phase: %s\n", kho_field_text(s, "phase"));
	printf("    cpus: %llu online\n", number(s, "onlineCpus"));
	printf("  memory: %llu MiB\n", number(s, "memoryBytes") / KHO_MIB);
	printf("     pci: %llu functions granted to this kernel, %llu given away\n",
	       number(s, "functionsGranted"), number(s, "functionsHeld"));
	if (number(s, "regionBytes"))
		print_peer(s);
	if (sd_json_variant_by_key(s, "upgrade"))
		print_upgrade(sd_json_variant_by_key(s, "upgrade"));
	if (kho_field_text(s, "message") && *kho_field_text(s, "message"))
		printf("    last: %s\n", kho_field_text(s, "message"));
}

int verb_status(int argc, char **argv)
{
	struct kho_call call = { .method = KHO_API_METHOD("Status") };

	return kho_show_without_arguments(argc, argv, &call, NULL, print_status);
}
