// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hellos: the version matrix, what two agents must have in common, feature
 * lists, and messages that break a limit.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel/hello.h"
#include "unit/golden.h"
#include "unit/run.h"

static struct kho_hello old_side(void)
{
	struct kho_hello hello = {
		.protocol_min = 1,
		.protocol_max = 3,
		.role = KHO_ROLE_OLD,
		.upgrade_id = "0123456789abcde",
		.epoch = 4,
		.nonce = 0xabcdef,
		.session = 1,
		.instance = 2,
		.boot_apic_id = 0,
		.online_cpus = 4,
		.memory_bytes = 2ULL << 30,
		.agent_version = "1.0",
		.kernel_release = "6.12.107+deb13-cloud-amd64",
		.criu_version = "4.2.1",
	};

	ck_assert_int_eq(kho_features_add(&hello.features, "bulk-crc"), 0);
	ck_assert_int_eq(kho_features_add(&hello.features, "doorbell"), 0);
	ck_assert_int_eq(kho_features_add(&hello.criu_features, "mem_dirty_track"), 0);
	return hello;
}

static struct kho_hello new_side(void)
{
	struct kho_hello hello = old_side();

	hello.role = KHO_ROLE_NEW;
	hello.nonce = 0x123;
	return hello;
}

static int negotiate(const struct kho_hello *mine, const struct kho_hello *peer,
		     struct kho_agreement *ret)
{
	struct kho_refusal refusal = { .code = KHO__REFUSE_CODE__REFUSE_UNKNOWN };
	int r = kho_hello_negotiate(mine, peer, ret, &refusal);

	if (r < 0) {
		ck_assert_int_ne(refusal.code, KHO__REFUSE_CODE__REFUSE_UNKNOWN);
		ck_assert_str_ne(refusal.reason, "");
		ck_assert_str_ne(refusal.remedy, "");
	}
	return r;
}

START_TEST(version_matrix)
{
	static const struct {
		uint32_t old_min, old_max, new_min, new_max;
		int want;	/* version (-1: the highest there is), or errno */
	} cases[] = {
		{ 1, 1, 1, 1, 1 }, { 1, 1, 1, 2, 1 }, { 1, 2, 1, 1, 1 }, { 1, 2, 2, 3, 2 },
		{ 2, 3, 1, 2, 2 }, { 1, 5, 2, 4, 4 }, { 2, 4, 1, 5, 4 }, { 3, 3, 1, 9, 3 },
		{ 1, 1, 2, 2, -EPROTONOSUPPORT }, { 2, 2, 1, 1, -EPROTONOSUPPORT },
		{ 1, 3, 4, 9, -EPROTONOSUPPORT }, { 7, 9, 1, 6, -EPROTONOSUPPORT },
		{ 1, UINT32_MAX, UINT32_MAX, UINT32_MAX, -1 },
	};
	struct kho_hello old = old_side(), new = new_side();
	struct kho_agreement a = { .protocol = 0 }, b = { .protocol = 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		old.protocol_min = cases[i].old_min;
		old.protocol_max = cases[i].old_max;
		new.protocol_min = cases[i].new_min;
		new.protocol_max = cases[i].new_max;
		if (cases[i].want < -1) {
			ck_assert_int_eq(negotiate(&old, &new, &a), cases[i].want);
			ck_assert_int_eq(negotiate(&new, &old, &b), cases[i].want);
			continue;
		}
		ck_assert_int_eq(negotiate(&old, &new, &a), 0);
		ck_assert_int_eq(negotiate(&new, &old, &b), 0);
		ck_assert_uint_eq(a.protocol, (uint32_t)cases[i].want);
		ck_assert_uint_eq(b.protocol, (uint32_t)cases[i].want);
	}
}
END_TEST

START_TEST(refusal_names_both_versions)
{
	struct kho_hello old = old_side(), new = new_side();
	struct kho_agreement agreement = { .protocol = 42 };
	struct kho_refusal refusal;

	new.protocol_min = 5;
	new.protocol_max = 6;
	ck_assert_int_eq(kho_hello_negotiate(&old, &new, &agreement, &refusal), -EPROTONOSUPPORT);
	ck_assert_int_eq(refusal.code, KHO__REFUSE_CODE__REFUSE_PROTOCOL);
	ck_assert_str_eq(refusal.reason, "the new side (agent 1.0) speaks protocol 5 to 6, "
			 "the old side 1 to 3");
	ck_assert_str_eq(refusal.remedy, "upgrade the older agent; the new side's is in the "
			 "target image");
	ck_assert_uint_eq(agreement.protocol, 42);
}
END_TEST

START_TEST(role_upgrade_and_epoch_must_fit)
{
	struct kho_hello old = old_side(), new = new_side();
	struct kho_agreement agreement;

	ck_assert_int_eq(negotiate(&old, &old, &agreement), -EINVAL);
	ck_assert_int_eq(negotiate(&new, &new, &agreement), -EINVAL);
	for (int i = 0; i < KHO_UPGRADE_ID_SIZE; i++) {
		new = new_side();
		new.upgrade_id[i] ^= 0x80;
		ck_assert_int_eq(negotiate(&old, &new, &agreement), -EXDEV);
	}
	new = new_side();
	new.epoch = 5;
	ck_assert_int_eq(negotiate(&old, &new, &agreement), -ESTALE);
	new.epoch = 3;
	ck_assert_int_eq(negotiate(&old, &new, &agreement), -ESTALE);
}
END_TEST

START_TEST(features_are_what_both_have)
{
	struct kho_hello old = old_side(), new = new_side();
	struct kho_agreement agreement;

	ck_assert_int_eq(kho_features_add(&old.features, "only-old"), 0);
	ck_assert_int_eq(kho_features_add(&new.features, "only-new"), 0);
	ck_assert_int_eq(negotiate(&old, &new, &agreement), 0);
	ck_assert_uint_eq(agreement.features.count, 2);
	ck_assert(kho_features_has(&agreement.features, "bulk-crc"));
	ck_assert(kho_features_has(&agreement.features, "doorbell"));
	new.features.count = 0;
	ck_assert_int_eq(negotiate(&old, &new, &agreement), 0);
	ck_assert_uint_eq(agreement.features.count, 0);
}
END_TEST

START_TEST(needed_features_must_be_there)
{
	struct kho_hello old = old_side(), new = new_side();
	struct kho_agreement agreement;
	struct kho_refusal refusal;

	ck_assert_int_eq(kho_features_add(&old.needs, "doorbell"), 0);
	ck_assert_int_eq(negotiate(&old, &new, &agreement), 0);
	ck_assert_int_eq(kho_features_add(&old.needs, "lazy"), 0);
	ck_assert_int_eq(kho_hello_negotiate(&old, &new, &agreement, &refusal), -EOPNOTSUPP);
	ck_assert_str_eq(refusal.reason,
			 "the old side needs feature lazy, which the new side (agent 1.0) lacks");
	/* the other side comes to the same end */
	ck_assert_int_eq(kho_hello_negotiate(&new, &old, &agreement, &refusal), -EOPNOTSUPP);
	ck_assert_str_eq(refusal.reason,
			 "the old side needs feature lazy, which the new side (agent 1.0) lacks");
}
END_TEST

START_TEST(feature_names_are_checked)
{
	struct kho_features features = { .count = 0 };
	char name[40];

	ck_assert_int_eq(kho_features_add(&features, ""), -EINVAL);
	ck_assert_int_eq(kho_features_add(&features, "Upper"), -EINVAL);
	ck_assert_int_eq(kho_features_add(&features, "a b"), -EINVAL);
	ck_assert_int_eq(kho_features_add(&features, "a\n"), -EINVAL);
	ck_assert_int_eq(kho_features_add(&features, "\xff"), -EINVAL);
	memset(name, 'x', sizeof(name));
	name[32] = '\0';
	ck_assert_int_eq(kho_features_add(&features, name), -EINVAL);
	name[31] = '\0';
	ck_assert_int_eq(kho_features_add(&features, name), 0);
	ck_assert_int_eq(kho_features_add(&features, name), 0);
	ck_assert_uint_eq(features.count, 1);
	for (int i = 1; i < KHO_FEATURES_MAX; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		ck_assert_int_eq(kho_features_add(&features, name), 0);
	}
	ck_assert_int_eq(kho_features_add(&features, "one-more"), -ENOSPC);
	ck_assert_int_eq(kho_features_add(&features, "f1"), 0);
}
END_TEST

START_TEST(text_is_cleaned)
{
	char out[8];

	kho_text_clean(out, sizeof(out), NULL);
	ck_assert_str_eq(out, "");
	kho_text_clean(out, sizeof(out), "ok\n\x1b[");
	ck_assert_str_eq(out, "ok??[");
	kho_text_clean(out, sizeof(out), "\xc3\xa4 0123456");
	ck_assert_str_eq(out, "?? 0123");
}
END_TEST

/* ---- messages ---- */

START_TEST(survives_the_wire)
{
	struct kho_hello hello = old_side(), out;
	struct kho_hello_message message;
	struct kho_refusal refusal;
	uint8_t buf[1024];
	Kho__Hello *unpacked;
	size_t size;

	kho_hello_write(&hello, &message);
	ck_assert_uint_le(kho__hello__get_packed_size(&message.hello), sizeof(buf));
	size = kho__hello__pack(&message.hello, buf);
	unpacked = kho__hello__unpack(NULL, size, buf);
	ck_assert_ptr_nonnull(unpacked);
	memset(&out, 0, sizeof(out));
	ck_assert_int_eq(kho_hello_read(unpacked, &out, &refusal), 0);
	kho__hello__free_unpacked(unpacked, NULL);
	ck_assert_uint_eq(out.protocol_min, 1);
	ck_assert_uint_eq(out.protocol_max, 3);
	ck_assert_int_eq(out.role, KHO_ROLE_OLD);
	ck_assert_mem_eq(out.upgrade_id, hello.upgrade_id, KHO_UPGRADE_ID_SIZE);
	ck_assert_uint_eq(out.epoch, 4);
	ck_assert_uint_eq(out.nonce, 0xabcdef);
	ck_assert_uint_eq(out.session, 1);
	ck_assert_uint_eq(out.instance, 2);
	ck_assert_uint_eq(out.boot_apic_id, 0);
	ck_assert_uint_eq(out.online_cpus, 4);
	ck_assert_uint_eq(out.memory_bytes, 2ULL << 30);
	ck_assert_str_eq(out.agent_version, "1.0");
	ck_assert_str_eq(out.kernel_release, "6.12.107+deb13-cloud-amd64");
	ck_assert_str_eq(out.criu_version, "4.2.1");
	ck_assert(kho_features_equal(&out.features, &hello.features));
	ck_assert(kho_features_equal(&out.needs, &hello.needs));
	ck_assert(kho_features_equal(&out.criu_features, &hello.criu_features));
}
END_TEST

/* A number that was changed, or given twice, shows here. */
START_TEST(bytes_are_golden)
{
	struct kho_hello hello = old_side();
	struct kho_hello_message message;
	uint8_t buf[1024];
	size_t size;

	ck_assert_int_eq(kho_features_add(&hello.needs, "doorbell"), 0);
	kho_hello_write(&hello, &message);
	size = kho__hello__pack(&message.hello, buf);
	golden_compare("hello.bin", buf, size);
}
END_TEST

START_TEST(every_truncation_is_refused_or_lacks_something)
{
	struct kho_hello hello = old_side(), out;
	struct kho_hello_message message;
	struct kho_refusal refusal;
	Kho__Hello *unpacked;
	uint8_t buf[1024], *part;
	size_t size, read = 0;

	kho_hello_write(&hello, &message);
	size = kho__hello__pack(&message.hello, buf);
	for (size_t n = 0; n < size; n++) {
		part = malloc(n + 1);
		memcpy(part, buf, n);
		unpacked = kho__hello__unpack(NULL, n, part);
		if (unpacked && kho_hello_read(unpacked, &out, &refusal) == 0)
			read++;
		kho__hello__free_unpacked(unpacked, NULL);
		free(part);
	}
	/* at the ends of those fields that may lack */
	ck_assert_uint_eq(read, 10);
}
END_TEST

/* Reads @message, which must be refused as malformed for @reason. */
static void expect_malformed(const Kho__Hello *message, const char *reason)
{
	struct kho_hello out = { .nonce = 55 };
	struct kho_refusal refusal;

	ck_assert_int_eq(kho_hello_read(message, &out, &refusal), -EBADMSG);
	ck_assert_int_eq(refusal.code, KHO__REFUSE_CODE__REFUSE_MALFORMED);
	ck_assert_msg(strstr(refusal.reason, reason), "got: %s", refusal.reason);
	ck_assert_uint_eq(out.nonce, 55);
}

START_TEST(lacking_fields_are_malformed)
{
	struct kho_hello hello = old_side();
	struct kho_hello_message m;
	Kho__Hello empty = KHO__HELLO__INIT;

	expect_malformed(&empty, "protocol");
	kho_hello_write(&hello, &m);
	m.hello.protocol_min = 4;
	expect_malformed(&m.hello, "protocol versions (4 to 3)");
	m.hello.protocol_min = 0;
	expect_malformed(&m.hello, "protocol");
	kho_hello_write(&hello, &m);
	m.hello.has_role = false;
	expect_malformed(&m.hello, "role");
	kho_hello_write(&hello, &m);
	m.hello.role = (Kho__Role)77;
	expect_malformed(&m.hello, "role (77)");
	kho_hello_write(&hello, &m);
	m.hello.upgrade_id.len = 15;
	expect_malformed(&m.hello, "15 bytes, not 16");
	m.hello.upgrade_id.len = 17;
	expect_malformed(&m.hello, "17 bytes");
	kho_hello_write(&hello, &m);
	m.hello.has_epoch = false;
	expect_malformed(&m.hello, "epoch");
	kho_hello_write(&hello, &m);
	m.hello.nonce = 0;
	expect_malformed(&m.hello, "nonce");
}
END_TEST

START_TEST(feature_lists_are_bounded)
{
	struct kho_hello hello = old_side();
	char *names[KHO_FEATURES_MAX + 1];
	struct kho_hello_message m;
	char long_name[64];

	for (int i = 0; i <= KHO_FEATURES_MAX; i++)
		names[i] = (char *)"same";
	kho_hello_write(&hello, &m);
	m.hello.features = names;
	m.hello.n_features = KHO_FEATURES_MAX + 1;
	expect_malformed(&m.hello, "more than 64");
	memset(long_name, 'a', sizeof(long_name));
	long_name[63] = '\0';
	names[3] = long_name;
	kho_hello_write(&hello, &m);
	m.hello.needs = names;
	m.hello.n_needs = 4;
	expect_malformed(&m.hello, "1 to 31");
}
END_TEST

START_TEST(optional_fields_may_lack)
{
	struct kho_hello hello = old_side(), out;
	struct kho_hello_message m;
	struct kho_refusal refusal;

	kho_hello_write(&hello, &m);
	m.hello.has_boot_apic_id = false;
	m.hello.agent_version = NULL;
	m.hello.kernel_release = (char *)"6.12\nroot: all is well, "
		"0123456789012345678901234567890123456789012345678901234567890123456789";
	m.hello.n_features = 0;
	ck_assert_int_eq(kho_hello_read(&m.hello, &out, &refusal), 0);
	ck_assert_uint_eq(out.boot_apic_id, UINT32_MAX);
	ck_assert_str_eq(out.agent_version, "");
	ck_assert_uint_eq(strlen(out.kernel_release), KHO_HELLO_TEXT_SIZE - 1);
	ck_assert_mem_eq(out.kernel_release, "6.12?root", 9);
}
END_TEST

static Suite *hello_suite(void)
{
	Suite *suite = suite_create("hello");
	TCase *agree = tcase_create("negotiation"), *message = tcase_create("message");

	tcase_add_test(agree, version_matrix);
	tcase_add_test(agree, refusal_names_both_versions);
	tcase_add_test(agree, role_upgrade_and_epoch_must_fit);
	tcase_add_test(agree, features_are_what_both_have);
	tcase_add_test(agree, needed_features_must_be_there);
	tcase_add_test(agree, feature_names_are_checked);
	tcase_add_test(agree, text_is_cleaned);
	suite_add_tcase(suite, agree);
	tcase_add_test(message, survives_the_wire);
	tcase_add_test(message, bytes_are_golden);
	tcase_add_test(message, every_truncation_is_refused_or_lacks_something);
	tcase_add_test(message, lacking_fields_are_malformed);
	tcase_add_test(message, feature_lists_are_bounded);
	tcase_add_test(message, optional_fields_may_lack);
	suite_add_tcase(suite, message);
	return suite;
}

int main(void)
{
	return run_suite(hello_suite());
}
