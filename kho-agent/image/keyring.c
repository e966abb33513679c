// SPDX-License-Identifier: GPL-2.0-only
/* Reading a folder of certificates; keyring.h has the contract. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "image/keyring.h"
#include "image/keyring_private.h"

static void free_bio(BIO **bio)
{
	BIO_free(*bio);
}

static void free_cert(X509 **cert)
{
	X509_free(*cert);
}

static void free_keyring(struct kho_keyring **keyring)
{
	kho_keyring_free(*keyring);
}

void kho_keyring_free(struct kho_keyring *keyring)
{
	if (!keyring)
		return;
	sk_X509_pop_free(keyring->certs, X509_free);
	free(keyring->path);
	free(keyring);
}

unsigned int kho_keyring_nr(const struct kho_keyring *keyring)
{
	return (unsigned int)sk_X509_num(keyring->certs);
}

static int out_of_memory(const struct kho_keyring *keyring, struct kho_err *err)
{
	return kho_fail(err, -ENOMEM, "%s: out of memory; free some and try again",
			keyring->path);
}

/* Takes over *@cert. */
static int add_cert(struct kho_keyring *keyring, X509 **cert, struct kho_err *err)
{
	if (sk_X509_num(keyring->certs) >= KHO_KEYRING_CERTS)
		return kho_fail(err, -E2BIG, "%s has more than %d certificates; take some out",
				keyring->path, KHO_KEYRING_CERTS);
	if (!sk_X509_push(keyring->certs, *cert))
		return out_of_memory(keyring, err);
	*cert = NULL;
	return 0;
}

/* The number of certificates, or an error. */
static int add_pem(struct kho_keyring *keyring, BIO *bio, struct kho_err *err)
{
	int nr, r;

	for (nr = 0;; nr++) {
		_cleanup_(free_cert) X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

		if (!cert)
			break;
		r = add_cert(keyring, &cert, err);
		if (r < 0)
			return r;
	}
	/* the end of the file is told as an error, and so is a damaged one */
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		nr = 0;
	ERR_clear_error();
	return nr;
}

static int add_der(struct kho_keyring *keyring, const void *data, size_t size,
		   struct kho_err *err)
{
	const unsigned char *at = data;
	_cleanup_(free_cert) X509 *cert = d2i_X509(NULL, &at, (long)size);
	int r;

	ERR_clear_error();
	if (!cert || at != (const unsigned char *)data + size)
		return 0;
	r = add_cert(keyring, &cert, err);
	return r < 0 ? r : 1;
}

static int check_owner(const char *path, struct kho_err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return kho_fail_errno(err, -errno, "%s can't be looked at", path);
	if ((st.st_uid == 0 || st.st_uid == geteuid()) &&
	    (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return 0;
	return kho_fail(err, -EPERM, "%s can be changed by others (owner %u, mode %o); chown it to "
			"root and take write permission from group and others", path, st.st_uid,
			st.st_mode & 07777);
}

static int add_file(struct kho_keyring *keyring, const char *name, struct kho_err *err)
{
	_cleanup_free_ char *path = NULL, *data = NULL;
	_cleanup_(free_bio) BIO *bio = NULL;
	size_t size;
	int r;

	if (asprintf(&path, "%s/%s", keyring->path, name) < 0)
		return out_of_memory(keyring, err);
	r = check_owner(path, err);
	if (r >= 0)
		r = kho_file_read(path, KHO_KEYRING_FILE_MAX, &data, &size, err);
	if (r < 0)
		return r;
	bio = BIO_new_mem_buf(data, (int)size);
	if (!bio)
		return out_of_memory(keyring, err);
	r = add_pem(keyring, bio, err);
	if (r == 0)
		r = add_der(keyring, data, size, err);
	if (r == 0)
		return kho_fail(err, -EINVAL, "%s is no certificate, neither PEM nor DER; convert "
				"it with openssl x509, or take it out of the keyring", path);
	return r < 0 ? r : 0;
}

static bool is_certificate(const char *name)
{
	static const char *const endings[] = { ".pem", ".crt", ".cer", ".der" };
	size_t size = strlen(name);

	for (size_t i = 0; i < KHO_ARRAY_SIZE(endings); i++)
		if (name[0] != '.' && size > 4 && strcmp(name + size - 4, endings[i]) == 0)
			return true;
	return false;
}

static int add_all(struct kho_keyring *keyring, struct kho_err *err)
{
	_cleanup_closedir_ DIR *dir = opendir(keyring->path);
	struct dirent *entry;
	int r;

	if (!dir)
		return errno == ENOENT ? 0 :
			kho_fail_errno(err, -errno, "%s can't be read", keyring->path);
	r = check_owner(keyring->path, err);
	while (r >= 0 && (entry = readdir(dir)))
		if (is_certificate(entry->d_name))
			r = add_file(keyring, entry->d_name, err);
	return r;
}

int kho_keyring_load(const char *path, struct kho_keyring **ret, struct kho_err *err)
{
	_cleanup_(free_keyring) struct kho_keyring *keyring = calloc(1, sizeof(*keyring));
	int r;

	if (keyring) {
		keyring->path = strdup(path);
		keyring->certs = sk_X509_new_null();
	}
	if (!keyring || !keyring->path || !keyring->certs)
		return kho_fail(err, -ENOMEM, "%s: out of memory; free some and try again", path);
	r = add_all(keyring, err);
	if (r < 0)
		return kho_wrap(err, r, "keyring");
	*ret = TAKE_PTR(keyring);
	return 0;
}
