// SPDX-License-Identifier: GPL-2.0-only
/*
 * INI files, and the configuration that is read from them: what is accepted, with its
 * exact values, and what is refused, with the line that is to blame.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/ini.h"
#include "migrate/workload/config.h"
#include "unit/run.h"

static struct kho_config config;
static struct kho_err err;
static char text[8192];
static char seen[1024];

static void setup(void)
{
	config = (struct kho_config){};
	err = (struct kho_err){};
	seen[0] = '\0';
}

/* ---- INI ---- */

static int note(void *ctx, const struct kho_ini_item *item, struct kho_err *e)
{
	size_t used = strlen(seen);

	snprintf(seen + used, sizeof(seen) - used, "%u[%s]%s=%s;", item->line, item->section,
		 item->key, item->value);
	if (strcmp(item->key, "bad") == 0)
		return kho_fail(e, -ERANGE, "%s", (const char *)ctx);
	return 0;
}

static int parse_ini(const char *ini)
{
	snprintf(text, sizeof(text), "%s", ini);
	return kho_ini_parse("f", text, note, (char[]){ "too bad" }, &err);
}

START_TEST(assignments)
{
	static const struct {
		const char *ini, *seen;
	} good[] = {
		{ "", "" },
		{ "\n\n", "" },
		{ "[a]", "" },
		{ "[a]\nb=c", "2[a]b=c;" },
		{ "[a]\nb=c\n", "2[a]b=c;" },
		{ "\r\n[a]\r\nb=c\r\n", "3[a]b=c;" },
		{ "  [ a b ]  \n\tb \t= \tc d\t\n", "2[a b]b=c d;" },
		{ "[a]\nb=\nc==\n", "2[a]b=;3[a]c==;" },
		{ "# x\n; y\n[a]\n #b=c\nd=e # f\n", "5[a]d=e # f;" },
		{ "[a]\nb=c\n[d]\nb=e\n[a]\nf=g", "2[a]b=c;4[d]b=e;6[a]f=g;" },
		{ "[a]\nb=c]\n", "2[a]b=c];" },
	};

	for (size_t i = 0; i < KHO_ARRAY_SIZE(good); i++) {
		seen[0] = '\0';
		ck_assert_msg(parse_ini(good[i].ini) == 0, "%s: %s", good[i].ini, err.msg);
		ck_assert_str_eq(seen, good[i].seen);
	}
}
END_TEST

/* An item's line is the one that it begins in, and those behind it are counted right. */
START_TEST(lines_that_go_on)
{
	ck_assert_int_eq(parse_ini("[a]\nb=c \\\n  d\\\ne\nf=g\n"), 0);
	ck_assert_str_eq(seen, "2[a]b=c     d  e;5[a]f=g;");
	seen[0] = '\0';
	ck_assert_int_eq(parse_ini("[a]\nb=c\\"), 0);
	ck_assert_str_eq(seen, "2[a]b=c\\;");
	seen[0] = '\0';
	ck_assert_int_eq(parse_ini("[a]\nb=c\\\n"), 0);
	ck_assert_str_eq(seen, "2[a]b=c;");
	ck_assert_int_eq(parse_ini("[a]\n\\\n\\\nb\nc=d"), -EINVAL);
	ck_assert_str_eq(err.msg, "f:2: \"b\" is neither [Section] nor Key=value");
}
END_TEST

/* As systemd has it: a comment ends with its line, whatever it ends with. */
START_TEST(comments_do_not_go_on)
{
	ck_assert_int_eq(parse_ini("[a]\n# C:\\\nb=c\n ; x\\\nd=e"), 0);
	ck_assert_str_eq(seen, "3[a]b=c;5[a]d=e;");
}
END_TEST

START_TEST(bad_lines)
{
	static const struct {
		const char *ini, *message;
	} bad[] = {
		{ "a=b", "f:1: there's no [Section] above it" },
		{ "[a]\nb", "f:2: \"b\" is neither [Section] nor Key=value" },
		{ "[a]\n\n=b", "f:3: \"=b\" is neither [Section] nor Key=value" },
		{ "[a", "f:1: a section is [Name]" },
		{ "[]", "f:1: a section is [Name]" },
		{ "[ ]", "f:1: a section is [Name]" },
		{ "[", "f:1: a section is [Name]" },
		{ "[a]\nbad=1\nc=d", "f:2: too bad" },
	};

	for (size_t i = 0; i < KHO_ARRAY_SIZE(bad); i++) {
		int want = strstr(bad[i].ini, "bad") ? -ERANGE : -EINVAL;

		ck_assert_int_eq(parse_ini(bad[i].ini), want);
		ck_assert_int_eq(err.code, want);
		ck_assert_str_eq(err.msg, bad[i].message);
	}
	ck_assert_str_eq(seen, "2[a]bad=1;");
}
END_TEST

/* ---- configuration ---- */

static int parse(const char *ini)
{
	snprintf(text, sizeof(text), "%s", ini);
	return kho_config_parse("f", text, &config, &err);
}

static void good(const char *ini)
{
	ck_assert_msg(parse(ini) == 0, "%s", err.msg);
	ck_assert_msg(kho_config_finish(&config, &err) == 0, "%s", err.msg);
}

START_TEST(all_keys)
{
	const struct kho_config_workload *w = &config.workloads[0];
	const struct kho_config_address *a = &config.addresses[0];
	const struct kho_config_volume *v = &config.volumes[1];

	good("[Workload redis]\nUnit=redis-server.service\nVolumes=data\nAddresses=vip\n"
	     "Files=/run/redis/a.pid /run/b*\nMaxBlackoutSec=0.5\nMaxRounds=3\n"
	     "NoConvergence=go-on\nHealthCommand=/usr/bin/true yes\nHealthTimeoutSec=60\n"
	     "[Address vip]\nAddress=10.77.0.10/24 fd77::10/64\n"
	     "Functions=0000:00:05.0 0001:02:1f.7\nGateway=10.77.0.1\n"
	     "[Volume other]\nFunction=0000:00:08.0\nMountPoint=/srv/o\nFileSystem=xfs\n"
	     "[Volume data]\nFunction=0000:00:07.0\nPartition=2\nMountPoint=/srv/data\n"
	     "FileSystem=ext4\nOptions=noatime,ro\n[Upgrade]\nNewKernelFailure=stay\n"
	     "Windows=Sat 02:00-05:00; 23:00-01:00 UTC\nHookTimeoutSec=2.5\n");
	ck_assert(config.stay);
	ck_assert_uint_eq(config.windows.nr, 2);
	ck_assert_str_eq(config.windows_text, "Sat 02:00-05:00; 23:00-01:00 UTC");
	ck_assert_uint_eq(config.hook_timeout_ms, 2500);
	ck_assert_uint_eq(config.nr_workloads, 1);
	ck_assert_str_eq(w->name, "redis");
	ck_assert_str_eq(w->unit, "redis-server.service");
	ck_assert_uint_eq(w->volumes, 1u << 1);
	ck_assert_uint_eq(w->addresses, 1u << 0);
	ck_assert_uint_eq(w->nr_files, 2);
	ck_assert_str_eq(w->files[1], "/run/b*");
	ck_assert_uint_eq(w->max_blackout_ms, 500);
	ck_assert_uint_eq(w->max_rounds, 3);
	ck_assert(w->go_on);
	ck_assert_str_eq(w->health_command, "/usr/bin/true yes");
	ck_assert_uint_eq(w->health_timeout_ms, 60000);
	ck_assert_uint_eq(a->nr_addresses, 2);
	ck_assert_str_eq(a->addresses[1], "fd77::10/64");
	ck_assert_uint_eq(a->nr_functions, 2);
	ck_assert_uint_eq(a->functions[1].domain, 1);
	ck_assert_uint_eq(a->functions[1].function, 7);
	ck_assert_str_eq(a->gateway, "10.77.0.1");
	ck_assert(v->has_function);
	ck_assert_uint_eq(v->function.device, 7);
	ck_assert_uint_eq(v->partition, 2);
	ck_assert_str_eq(v->mount_point, "/srv/data");
	ck_assert_str_eq(v->file_system, "ext4");
	ck_assert_str_eq(v->options, "noatime,ro");
}
END_TEST

START_TEST(what_is_not_said)
{
	const struct kho_config_workload *w = &config.workloads[0];

	good("[Workload a]\nUnit=a.scope\n");
	ck_assert_uint_eq(w->max_blackout_ms, 1000);
	ck_assert_uint_eq(w->max_rounds, 8);
	ck_assert_uint_eq(w->health_timeout_ms, 5000);
	ck_assert(!config.stay);
	ck_assert(!w->go_on && !w->throttle && !*w->health_command && !w->nr_files);
	ck_assert(!w->volumes && !w->addresses);
	ck_assert_uint_eq(config.nr_addresses + config.nr_volumes, 0);
	ck_assert_uint_eq(config.max_frozen_ms, 2000);
}
END_TEST

START_TEST(of_the_move)
{
	ck_assert_int_eq(parse("[Upgrade]\nMaxFrozenSec=0.25\n"), 0);
	good("[Workload a]\nUnit=a.scope\n");
	ck_assert_uint_eq(config.max_frozen_ms, 250);
	ck_assert_uint_eq(config.workloads[0].max_blackout_ms, 1000);
	good("[Upgrade]\nMaxFrozenSec=0\n");
	ck_assert_uint_eq(config.max_frozen_ms, 0);
	ck_assert_int_eq(parse("[Upgrade]\nUnit=a.scope\n"), -EINVAL);
	ck_assert_str_eq(err.msg, "f:2: [Upgrade] has no key Unit=");
}
END_TEST

/* Of those that don't say it themselves, in whatever order it's given. */
START_TEST(blackout_of_all)
{
	ck_assert_int_eq(parse("[Workload a]\nUnit=a.scope\n[Upgrade]\nMaxBlackoutSec=3\n"), 0);
	good("[Workload b]\nUnit=b.scope\nMaxBlackoutSec=0.5\n");
	ck_assert_uint_eq(config.workloads[0].max_blackout_ms, 3000);
	ck_assert_uint_eq(config.workloads[1].max_blackout_ms, 500);
}
END_TEST

/* A limit for one upgrade only makes budgets smaller. */
START_TEST(limit_of_one_upgrade)
{
	ck_assert_int_eq(parse("[Upgrade]\nMaxFrozenSec=0\n[Workload a]\nUnit=a.service\n"
			       "MaxBlackoutSec=0.3\nNoConvergence=go-on\n"
			       "[Workload b]\nUnit=b.service\nMaxBlackoutSec=5\n"), 0);
	ck_assert_int_eq(kho_config_finish(&config, &err), 0);
	kho_config_limit_frozen(&config, 0);
	ck_assert_uint_eq(config.max_frozen_ms, 0);
	ck_assert(config.workloads[0].go_on);
	kho_config_limit_frozen(&config, 500);
	ck_assert_uint_eq(config.max_frozen_ms, 500);
	ck_assert_uint_eq(config.workloads[0].max_blackout_ms, 300);
	ck_assert(!config.workloads[0].go_on);
	ck_assert_uint_eq(config.workloads[1].max_blackout_ms, 500);
	kho_config_limit_frozen(&config, 800);
	ck_assert_uint_eq(config.max_frozen_ms, 500);
	ck_assert_uint_eq(config.workloads[1].max_blackout_ms, 500);
}
END_TEST

START_TEST(of_images)
{
	good("");
	ck_assert_int_eq(config.signatures, KHO_SIGNATURES_WARN);
	ck_assert_str_eq(config.keyring, "/etc/kho-agent/keys");
	good("[Image]\nSignatures=enforce\nKeyring=/srv/keys\n");
	ck_assert_int_eq(config.signatures, KHO_SIGNATURES_ENFORCE);
	ck_assert_str_eq(config.keyring, "/srv/keys");
	ck_assert(!config.stage);
	ck_assert_str_eq(config.stage_options, "--system");
	good("[Image]\nStage=yes\nStageOptions=--system --module=virtio_blk\n");
	ck_assert(config.stage);
	ck_assert_str_eq(config.stage_options, "--system --module=virtio_blk");
	good("[Image]\nSignatures=off\n");
	ck_assert_int_eq(config.signatures, KHO_SIGNATURES_OFF);
	ck_assert_str_eq(config.keyring, "/srv/keys");
}
END_TEST

START_TEST(api)
{
	good("[API]\n");
	ck_assert_str_eq(config.read_group, "");
	good("[API]\nReadGroup=kho-ops_1\n");
	ck_assert_str_eq(config.read_group, "kho-ops_1");
	good("[API]\nReadGroup=a\nReadGroup=\n");
	ck_assert_str_eq(config.read_group, "");
}
END_TEST

START_TEST(metrics)
{
	good("[Metrics]\n");
	ck_assert_str_eq(config.metrics_listen, "");
	ck_assert_str_eq(config.metrics_file, "");
	good("[Metrics]\nListen=9786 [fd77::1]:80\nTextFile=/srv/a.prom\n");
	ck_assert_str_eq(config.metrics_listen, "9786 [fd77::1]:80");
	ck_assert_str_eq(config.metrics_file, "/srv/a.prom");
	good("[Metrics]\nListen=\nTextFile=\n");
	ck_assert_str_eq(config.metrics_listen, "");
	ck_assert_str_eq(config.metrics_file, "");
	ck_assert_int_eq(parse("[Metrics]\nListen=localhost:80\n"), -EINVAL);
	ck_assert_int_eq(parse("[Metrics]\nTextFile=a.prom\n"), -EINVAL);
	ck_assert_int_eq(parse("[Metrics]\nPort=80\n"), -EINVAL);
}
END_TEST

/* A later file replaces single keys; an empty value takes back what a list had. */
START_TEST(files_add_up)
{
	ck_assert_int_eq(parse("[Workload a]\nUnit=a.service\nFiles=/x /y\nMaxRounds=2\n"
			       "HealthCommand=/bin/true\n"), 0);
	good("[Workload b]\nUnit=b.service\n[Workload a]\nFiles=\nMaxRounds=5\nHealthCommand=\n");
	ck_assert_uint_eq(config.nr_workloads, 2);
	ck_assert_str_eq(config.workloads[0].unit, "a.service");
	ck_assert_uint_eq(config.workloads[0].nr_files, 0);
	ck_assert_uint_eq(config.workloads[0].max_rounds, 5);
	ck_assert_str_eq(config.workloads[0].health_command, "");
	ck_assert_str_eq(config.workloads[1].name, "b");
}
END_TEST

static const struct bad {
	const char *ini, *message;
} bad_values[] = {
	{ "[Workload]\nUnit=a.service", "is no section" },
	{ "[Work a]\nUnit=a.service", "is no section" },
	{ "[workload a]\nUnit=a.service", "is no section" },
	{ "[Workload a b]\nUnit=a.service", "is no name" },
	{ "[Workload  a]\nUnit=a.service", "is no name" },
	{ "[Workload ..]\nUnit=a.service", "is no name" },
	{ "[Workload .a]\nUnit=a.service", "is no name" },
	{ "[Workload a/b]\nUnit=a.service", "is no name" },
	{ "[Workload 12345678901234567890123456789012]\nUnit=a.service", "is no name" },
	{ "[Workload a]\nUnits=a.service", "has no key Units=" },
	{ "[Address a]\nUnit=a.service", "has no key Unit=" },
	{ "[Volume a]\nUnit=a.service", "has no key Unit=" },
	{ "[Workload a]\nUnit=a", "Unit=: " },
	{ "[Workload a]\nUnit=../a.service", "Unit=: " },
	{ "[Workload a]\nMaxBlackoutSec=", "MaxBlackoutSec=: " },
	{ "[Workload a]\nMaxBlackoutSec=nan", "MaxBlackoutSec=: " },
	{ "[Workload a]\nMaxBlackoutSec=inf", "MaxBlackoutSec=: " },
	{ "[Workload a]\nMaxBlackoutSec=-1", "MaxBlackoutSec=: " },
	{ "[Workload a]\nMaxBlackoutSec=3601", "MaxBlackoutSec=: " },
	{ "[Workload a]\nMaxBlackoutSec=1s", "MaxBlackoutSec=: " },
	{ "[Workload a]\nMaxBlackoutSec=0x10", "MaxBlackoutSec=: " },
	{ "[Workload a]\nMaxBlackoutSec=1e999", "MaxBlackoutSec=: " },
	{ "[Workload a]\nMaxRounds=many", "MaxRounds=: " },
	{ "[Workload a]\nMaxRounds=4294967296", "MaxRounds=: " },
	{ "[Workload a]\nNoConvergence=goon", "abort, throttle or go-on" },
	{ "[Workload a]\nHealthCommand=true", "is no absolute path" },
	{ "[Workload a]\nFiles=/a b", "is no absolute path" },
	{ "[Workload a]\nFiles=/a/../b", "is no absolute path" },
	{ "[Workload a]\nFiles=/a/..", "is no absolute path" },
	{ "[Workload a]\nFiles=/1 /2 /3 /4 /5 /6 /7 /8 /9", "more than 8" },
	{ "[Address a]\nAddress=10.0.0.1", "ADDRESS/PREFIX" },
	{ "[Address a]\nAddress=10.0.0.1/33", "is no address" },
	{ "[Address a]\nAddress=fd00::1/129", "is no address" },
	{ "[Address a]\nAddress=10.0.0/8", "is no address" },
	{ "[Address a]\nAddress=/8", "is no address" },
	{ "[Address a]\nAddress=10.0.0.1/8/8", "is no address" },
	{ "[Address a]\nAddress=1.1.1.1/8 1.1.1.2/8 1.1.1.3/8 1.1.1.4/8 1.1.1.5/8 1.1.1.6/8 "
	  "1.1.1.7/8 1.1.1.8/8 1.1.1.9/8", "more than 8" },
	{ "[Address a]\nFunctions=00:05.0", "Functions=: " },
	{ "[Address a]\nGateway=gate", "is no address" },
	{ "[Upgrade]\nNewKernelFailure=panic", "restart or stay" },
	{ "[Upgrade]\nWindows=Sat 2-5", "Windows=: \"2-5\" is no time from and until" },
	{ "[Upgrade]\nHookTimeoutSec=soon", "HookTimeoutSec=: \"soon\"" },
	{ "[Upgrade]\nMaxRounds=2", "has no key MaxRounds=" },
	{ "[Upgrade a]\nNewKernelFailure=stay", "is no section" },
	{ "[Image]\nSignatures=", "off, warn or enforce" },
	{ "[Image]\nSignatures=yes", "off, warn or enforce" },
	{ "[Image]\nStage=maybe", "no or yes" },
	{ "[Image]\nKeyring=keys", "is no absolute path" },
	{ "[Image]\nKeyring=", "is no absolute path" },
	{ "[Image]\nUnit=a.service", "has no key Unit=" },
	{ "[Image a]\nSignatures=off", "is no section" },
	{ "[API]\nReadGroup=a b", "is no name of a group" },
	{ "[API]\nReadGroup=0123456789012345678901234567890123", "longer than" },
	{ "[API]\nGroup=a", "has no key Group=" },
	{ "[Volume a]\nFunction=", "Function=: " },
	{ "[Volume a]\nPartition=-1", "Partition=: " },
	{ "[Volume a]\nMountPoint=srv", "is no absolute path" },
	{ "[Volume a]\nFileSystem=12345678901234567890123456789012", "longer than 31" },
};

START_TEST(bad_value)
{
	const struct bad *bad = &bad_values[_i];

	int want = strstr(bad->ini, "4294967296") ? -ERANGE : -EINVAL;

	ck_assert_int_eq(parse(bad->ini), want);
	ck_assert_int_eq(err.code, want);
	ck_assert_msg(strncmp(err.msg, "f:2: ", 5) == 0 && strstr(err.msg, bad->message),
		      "%s: %s", bad->ini, err.msg);
}
END_TEST

/* Longer than anything that is copied for cutting it into words. */
START_TEST(long_values)
{
	static const char *const keys[] = {
		"[Workload a]\nUnit", "[Workload a]\nVolumes", "[Workload a]\nAddresses",
		"[Workload a]\nFiles", "[Workload a]\nHealthCommand", "[Address a]\nAddress",
		"[Address a]\nFunctions", "[Address a]\nGateway", "[Volume a]\nFunction",
		"[Volume a]\nMountPoint", "[Volume a]\nFileSystem", "[Volume a]\nOptions",
	};

	for (size_t i = 0; i < KHO_ARRAY_SIZE(keys); i++) {
		size_t used = (size_t)snprintf(text, sizeof(text), "%s=/", keys[i]);

		memset(text + used, 'x', 4000);
		text[used + 4000] = '\0';
		ck_assert_int_eq(kho_config_parse("f", text, &config, &err), -EINVAL);
		ck_assert_int_eq(strncmp(err.msg, "f:2: ", 5), 0);
	}
}
END_TEST

START_TEST(too_many_items)
{
	size_t used = 0;

	for (int i = 0; i <= KHO_CONFIG_ITEMS; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "[Workload w%d]\nUnit=u%d.service\n", i, i);
	ck_assert_int_eq(kho_config_parse("f", text, &config, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "f:66: more than 32 of one kind");
	ck_assert_uint_eq(config.nr_workloads, KHO_CONFIG_ITEMS);
	ck_assert_int_eq(kho_config_finish(&config, &err), 0);
}
END_TEST

static const struct bad bad_wholes[] = {
	{ "[Workload a]\nMaxRounds=1", "[Workload a]: Unit= is missing" },
	{ "[Workload a]\nUnit=a.service\nVolumes=b", "[Workload a]: there's no section for \"b\"" },
	{ "[Workload a]\nUnit=a.service\nAddresses=b",
	  "[Workload a]: there's no section for \"b\"" },
	{ "[Workload a]\nUnit=a.service\n[Workload b]\nUnit=a.service",
	  "[Workload b]: a.service is the unit of [Workload a], too" },
	{ "[Address a]\nAddress=10.0.0.1/8",
	  "[Address a]: Address= and Functions= are both needed" },
	{ "[Address a]\nFunctions=0000:00:05.0",
	  "[Address a]: Address= and Functions= are both needed" },
	{ "[Volume a]\nFunction=0000:00:05.0\nMountPoint=/a",
	  "[Volume a]: Function=, MountPoint= and FileSystem= are needed" },
	{ "[Volume a]\nFileSystem=xfs\nMountPoint=/a",
	  "[Volume a]: Function=, MountPoint= and FileSystem= are needed" },
};

START_TEST(bad_whole)
{
	const struct bad *bad = &bad_wholes[_i];

	ck_assert_msg(parse(bad->ini) == 0, "%s", err.msg);
	ck_assert_int_eq(kho_config_finish(&config, &err), -EINVAL);
	ck_assert_str_eq(err.msg, bad->message);
}
END_TEST

static Suite *config_suite(void)
{
	Suite *suite = suite_create("config");
	TCase *ini = tcase_create("ini"), *keys = tcase_create("config");

	tcase_add_checked_fixture(ini, setup, NULL);
	tcase_add_test(ini, assignments);
	tcase_add_test(ini, lines_that_go_on);
	tcase_add_test(ini, comments_do_not_go_on);
	tcase_add_test(ini, bad_lines);
	suite_add_tcase(suite, ini);
	tcase_add_checked_fixture(keys, setup, NULL);
	tcase_add_test(keys, all_keys);
	tcase_add_test(keys, what_is_not_said);
	tcase_add_test(keys, of_the_move);
	tcase_add_test(keys, blackout_of_all);
	tcase_add_test(keys, limit_of_one_upgrade);
	tcase_add_test(keys, of_images);
	tcase_add_test(keys, api);
	tcase_add_test(keys, metrics);
	tcase_add_test(keys, files_add_up);
	tcase_add_loop_test(keys, bad_value, 0, (int)KHO_ARRAY_SIZE(bad_values));
	tcase_add_test(keys, long_values);
	tcase_add_test(keys, too_many_items);
	tcase_add_loop_test(keys, bad_whole, 0, (int)KHO_ARRAY_SIZE(bad_wholes));
	suite_add_tcase(suite, keys);
	return suite;
}

int main(void)
{
	return run_suite(config_suite());
}
