// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who signed a program: one of the keyring, somebody else, or nobody; and that no byte of
 * program or signature can be changed unnoticed.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "image/pe.h"
#include "image/signature.h"
#include "unit/fake_tree.h"
#include "unit/run.h"
#include "unit/signed.h"

#define PLAIN_SIZE	1024u
#define CHECKSUM	0x98u
#define TABLE_ENTRY	0xe8u

static struct fake_tree tree;
static char keys[128];
static struct kho_keyring *keyring;
static struct kho_signature signature;
static struct signed_file file;
static struct kho_err err;

static void setup(void)
{
	umask(022);
	fake_tree_init(&tree);
	snprintf(keys, sizeof(keys), "%s/keys", tree.dir);
	fake_dir(&tree, "keys");
	err = (struct kho_err){};
	keyring = NULL;
}

static void teardown(void)
{
	kho_keyring_free(keyring);
	fake_tree_done(&tree);
}

/* Puts the certificate @name into the keyring's folder. */
static void trust(const char *name)
{
	struct signed_file cert;
	char path[128];

	signed_read(name, &cert);
	snprintf(path, sizeof(path), "keys/%s", name);
	fake_put_data(&tree, path, cert.data, cert.size);
}

static void load(void)
{
	kho_keyring_free(keyring);
	keyring = NULL;
	ck_assert_msg(kho_keyring_load(keys, &keyring, &err) == 0, "%s", err.msg);
}

static int check(void)
{
	return kho_signature_check(file.data, file.size, keyring, &signature, &err);
}

static void good(const char *name, const char *signer)
{
	signed_read(name, &file);
	ck_assert_msg(check() == 0, "%s: %s", name, err.msg);
	ck_assert_str_eq(signature.signer, signer);
}

static void bad(const char *name, int code, const char *text)
{
	signed_read(name, &file);
	ck_assert_int_eq(check(), code);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, text), "'%s' isn't in '%s'", text, err.msg);
	ck_assert_msg(strstr(err.msg, ";"), "no remedy: %s", err.msg);
}

/* ---- keyrings ---- */

START_TEST(no_keyring_is_an_empty_one)
{
	ck_assert_int_eq(kho_keyring_load("/no/such/folder", &keyring, &err), 0);
	ck_assert_uint_eq(kho_keyring_nr(keyring), 0);
	bad("signer.efi", -ENOKEY, "/no/such/folder has no certificate at all");
	ck_assert_str_eq(signature.signer, "Test Signer");
}
END_TEST

START_TEST(files_of_a_keyring)
{
	char both[2 * SIGNED_MAX + 16];
	struct signed_file one, two;

	trust("ca.der");
	signed_read("self.pem", &one);
	signed_read("other.pem", &two);
	snprintf(both, sizeof(both), "some text\n%s\n%s", (char *)one.data, (char *)two.data);
	fake_put(&tree, "keys/both.crt", both);
	fake_put(&tree, "keys/README", "not a certificate");
	fake_put(&tree, "keys/.hidden.pem", "nor this");
	load();
	ck_assert_uint_eq(kho_keyring_nr(keyring), 3);
}
END_TEST

static void expect_no_keyring(int code, const char *text)
{
	ck_assert_int_eq(kho_keyring_load(keys, &keyring, &err), code);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, text), "'%s' isn't in '%s'", text, err.msg);
	ck_assert_ptr_null(keyring);
}

START_TEST(damaged_keyrings)
{
	struct signed_file cert;
	char path[160];

	fake_put(&tree, "keys/a.pem", "");
	expect_no_keyring(-EINVAL, "a.pem is no certificate");
	signed_read("ca.pem", &cert);
	cert.data[200] = '*';
	fake_put_data(&tree, "keys/a.pem", cert.data, cert.size);
	expect_no_keyring(-EINVAL, "a.pem is no certificate");
	signed_read("ca.der", &cert);
	fake_put_data(&tree, "keys/a.pem", cert.data, cert.size - 1);
	expect_no_keyring(-EINVAL, "a.pem is no certificate");
	fake_put_data(&tree, "keys/a.pem", cert.data, cert.size + 1);
	expect_no_keyring(-EINVAL, "a.pem is no certificate");
	fake_remove(&tree, "keys/a.pem");
	fake_dir(&tree, "keys/d.pem");
	expect_no_keyring(-EISDIR, "d.pem");
	fake_remove(&tree, "keys/d.pem");
	trust("ca.pem");
	snprintf(path, sizeof(path), "%s/ca.pem", keys);
	ck_assert_int_eq(chmod(path, 0664), 0);
	expect_no_keyring(-EPERM, "can be changed by others");
	ck_assert_int_eq(chmod(path, 0644), 0);
	ck_assert_int_eq(chmod(keys, 0777), 0);
	expect_no_keyring(-EPERM, "can be changed by others");
	ck_assert_int_eq(chmod(keys, 0755), 0);
	load();
}
END_TEST

/* A file whose second certificate is damaged isn't taken for one with a single one. */
START_TEST(a_damaged_second_certificate)
{
	char both[2 * SIGNED_MAX + 16];
	struct signed_file one, two;

	signed_read("self.pem", &one);
	signed_read("other.pem", &two);
	two.data[200] = '*';
	snprintf(both, sizeof(both), "%s%s", (char *)one.data, (char *)two.data);
	fake_put(&tree, "keys/both.pem", both);
	expect_no_keyring(-EINVAL, "both.pem is no certificate");
}
END_TEST

START_TEST(too_many_certificates)
{
	static char many[64u << 10];
	struct signed_file one;
	char path[64];
	size_t used = 0;

	signed_read("weak.pem", &one);
	while (used + one.size < sizeof(many)) {
		memcpy(many + used, one.data, one.size);
		used += one.size;
	}
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "keys/%d.pem", i);
		fake_put_data(&tree, path, many, used);
	}
	expect_no_keyring(-E2BIG, "more than 256 certificates");
}
END_TEST

/* ---- whom it trusts ---- */

START_TEST(by_an_authority)
{
	trust("ca.pem");
	load();
	good("signer.efi", "Test Signer");
	ck_assert_str_eq(signature.expired, "");
	bad("self.efi", -ENOKEY, "signed by \"Test Machine Owner\", whom no certificate");
	bad("plain.efi", -ENODATA, "it isn't signed");
	ck_assert_str_eq(signature.signer, "");
}
END_TEST

START_TEST(by_a_signer_alone)
{
	trust("signer.pem");
	load();
	good("signer.efi", "Test Signer");
	/* what it has issued isn't vouched for: it's no authority */
	bad("child.efi", -ENOKEY, "signed by \"Test Child\"");
}
END_TEST

START_TEST(by_ones_own_key)
{
	trust("self.pem");
	load();
	good("self.efi", "Test Machine Owner");
	bad("other.efi", -ENOKEY, "signed by \"Somebody Else\"");
}
END_TEST

START_TEST(certificates_for_something_else)
{
	trust("ca.pem");
	load();
	bad("mail.efi", -ENOKEY, "the certificate of \"Test Mail\" isn't for signing code");
	trust("mail.pem");
	load();
	bad("mail.efi", -ENOKEY, "isn't for signing code");
}
END_TEST

START_TEST(weak_keys)
{
	trust("weak.pem");
	load();
	bad("weak.efi", -ENOKEY, "signed by \"Test Weak\"");
}
END_TEST

/* As for firmware and shim; but it's told. */
START_TEST(expired_certificates)
{
	trust("old.pem");
	load();
	good("old.efi", "Test Expired");
	ck_assert_str_eq(signature.expired, "2002-01-01");
}
END_TEST

START_TEST(two_signatures)
{
	load();
	bad("two.efi", -ENOKEY, "Somebody Else");
	trust("self.pem");
	load();
	good("two.efi", "Test Machine Owner");
	trust("other.pem");
	load();
	good("two.efi", "Somebody Else");
}
END_TEST

/* One that's damaged, in front of a good one. */
START_TEST(a_damaged_first_signature)
{
	trust("self.pem");
	load();
	signed_read("two.efi", &file);
	memset(file.data + PLAIN_SIZE + 8, 0, 16);
	ck_assert_int_eq(check(), 0);
	ck_assert_str_eq(signature.signer, "Test Machine Owner");
	trust("other.pem");
	fake_remove(&tree, "keys/self.pem");
	load();
	ck_assert_int_eq(check(), -ENOKEY);
	ck_assert_str_eq(signature.signer, "Test Machine Owner");
}
END_TEST

/* ---- what was changed ---- */

START_TEST(signature_of_another_file)
{
	trust("ca.pem");
	load();
	bad("foreign.efi", -EKEYREJECTED, "it isn't what was signed");
	ck_assert_str_eq(signature.signer, "");
}
END_TEST

/* Each byte of the program, but those that no signature is over. */
START_TEST(each_byte_of_the_program)
{
	trust("ca.pem");
	load();
	good("signer.efi", "Test Signer");
	for (size_t i = 0; i < PLAIN_SIZE; i++) {
		bool covered = !(i >= CHECKSUM && i < CHECKSUM + 4);

		file.data[i] ^= 0x01;
		ck_assert_msg((check() < 0) == covered, "byte 0x%zx", i);
		file.data[i] ^= 0x01;
	}
	for (size_t i = TABLE_ENTRY; i < TABLE_ENTRY + 8; i++) {
		file.data[i] ^= 0x80;
		ck_assert_int_eq(check(), -EBADMSG);
		file.data[i] ^= 0x80;
	}
	ck_assert_int_eq(check(), 0);
}
END_TEST

/*
 * Each byte of the signature. Some may be changed to no effect (padding, a version, whether
 * something is optional, the name in front of a certificate that isn't signed): then it's
 * still the same signer's signature of the same program. What the signer's name and the
 * digest are isn't among them.
 */
START_TEST(each_byte_of_the_signature)
{
	unsigned int harmless = 0;

	trust("ca.pem");
	load();
	good("signer.efi", "Test Signer");
	for (size_t i = PLAIN_SIZE; i < file.size; i++)
		for (unsigned int bit = 0; bit < 8; bit += 7) {
			file.data[i] ^= (uint8_t)(1u << bit);
			if (check() == 0) {
				harmless++;
				ck_assert_str_eq(signature.signer, "Test Signer");
			}
			file.data[i] ^= (uint8_t)(1u << bit);
		}
	ck_assert_msg(harmless < 64, "%u changes of the signature make no difference", harmless);
	ck_assert_int_eq(check(), 0);
}
END_TEST

/* At every length, the table's entry as it was or adapted. */
START_TEST(truncated_files)
{
	struct signed_file whole;

	trust("ca.pem");
	load();
	signed_read("signer.efi", &whole);
	for (size_t size = 0; size < whole.size; size++) {
		file = whole;
		file.size = size;
		memset(file.data + size, 0, sizeof(file.data) - size);
		ck_assert_int_lt(check(), 0);
		/* of its end up to seven bytes are padding */
		if (size <= PLAIN_SIZE + 8 || size > whole.size - 8)
			continue;
		memcpy(file.data + TABLE_ENTRY + 4, &(uint32_t){ (uint32_t)size - PLAIN_SIZE }, 4);
		ck_assert_int_lt(check(), 0);
		memcpy(file.data + PLAIN_SIZE, &(uint32_t){ (uint32_t)size - PLAIN_SIZE }, 4);
		ck_assert_int_lt(check(), 0);
	}
}
END_TEST

/* More behind the program, which no signature is over. */
START_TEST(appended_bytes)
{
	trust("ca.pem");
	load();
	good("signer.efi", "Test Signer");
	file.size += 8;
	ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(what_a_signature_is_not)
{
	trust("ca.pem");
	load();
	signed_read("signer.efi", &file);
	memset(file.data + PLAIN_SIZE + 8, 0xff, file.size - PLAIN_SIZE - 8);
	ck_assert_int_eq(check(), -EBADMSG);
	memset(file.data + PLAIN_SIZE + 8, 0, file.size - PLAIN_SIZE - 8);
	ck_assert_int_eq(check(), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "not PKCS#7"));
	file.data[0] = 0;
	ck_assert_int_eq(check(), -ENOEXEC);
}
END_TEST

START_TEST(names_of_policies)
{
	enum kho_signatures policy = KHO_SIGNATURES_WARN;

	ck_assert_int_eq(kho_signatures_parse("off", &policy), 0);
	ck_assert_int_eq(policy, KHO_SIGNATURES_OFF);
	ck_assert_int_eq(kho_signatures_parse("enforce", &policy), 0);
	ck_assert_int_eq(policy, KHO_SIGNATURES_ENFORCE);
	ck_assert_int_eq(kho_signatures_parse("warn", &policy), 0);
	ck_assert_int_eq(policy, KHO_SIGNATURES_WARN);
	ck_assert_int_eq(kho_signatures_parse("", &policy), -EINVAL);
	ck_assert_int_eq(kho_signatures_parse("Enforce", &policy), -EINVAL);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, no_keyring_is_an_empty_one);
	tcase_add_test(tc, files_of_a_keyring);
	tcase_add_test(tc, damaged_keyrings);
	tcase_add_test(tc, a_damaged_second_certificate);
	tcase_add_test(tc, too_many_certificates);
	tcase_add_test(tc, by_an_authority);
	tcase_add_test(tc, by_a_signer_alone);
	tcase_add_test(tc, by_ones_own_key);
	tcase_add_test(tc, certificates_for_something_else);
	tcase_add_test(tc, weak_keys);
	tcase_add_test(tc, expired_certificates);
	tcase_add_test(tc, two_signatures);
	tcase_add_test(tc, a_damaged_first_signature);
	tcase_add_test(tc, signature_of_another_file);
	tcase_add_test(tc, each_byte_of_the_program);
	tcase_add_test(tc, each_byte_of_the_signature);
	tcase_add_test(tc, truncated_files);
	tcase_add_test(tc, appended_bytes);
	tcase_add_test(tc, what_a_signature_is_not);
	tcase_add_test(tc, names_of_policies);
}

int main(void)
{
	Suite *suite = suite_create("signature");
	TCase *tc = tcase_create("signature");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
