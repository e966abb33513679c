// SPDX-License-Identifier: GPL-2.0-only
/* Authenticode signatures by libcrypto; signature.h says what is checked. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/keyring_private.h"
#include "image/pe.h"
#include "image/signature.h"

#define OID_INDIRECT_DATA	"1.3.6.1.4.1.311.2.1.4"
#define OID_PE_IMAGE_DATA	"1.3.6.1.4.1.311.2.1.15"
#define SECURITY_LEVEL		2	/* 112 bits: RSA of 2048, SHA-256 */
#define CHAIN_MAX		8

static void free_p7(PKCS7 **p7)
{
	PKCS7_free(*p7);
}

static void free_bio(BIO **bio)
{
	BIO_free(*bio);
}

static void free_signers(STACK_OF(X509) **certs)
{
	sk_X509_free(*certs);
}

static void free_sequence(ASN1_SEQUENCE_ANY **sequence)
{
	sk_ASN1_TYPE_pop_free(*sequence, ASN1_TYPE_free);
}

static void free_digest_info(X509_SIG **info)
{
	X509_SIG_free(*info);
}

static void free_store(X509_STORE **store)
{
	X509_STORE_free(*store);
}

static void free_store_ctx(X509_STORE_CTX **ctx)
{
	X509_STORE_CTX_free(*ctx);
}

int kho_signatures_parse(const char *name, enum kho_signatures *ret)
{
	static const char *const names[] = {
		[KHO_SIGNATURES_WARN] = "warn",
		[KHO_SIGNATURES_OFF] = "off",
		[KHO_SIGNATURES_ENFORCE] = "enforce",
	};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

static int no_memory(struct kho_err *err)
{
	return kho_fail(err, -ENOMEM, "no memory to check a signature; free some and try again");
}

static int damaged(struct kho_err *err, const char *what)
{
	return kho_fail(err, -EBADMSG, "a signature of it is damaged (%s); install the kernel "
			"package again", what);
}

static bool is_oid(const ASN1_OBJECT *object, const char *oid)
{
	char text[64];

	return OBJ_obj2txt(text, sizeof(text), object, 1) > 0 && strcmp(text, oid) == 0;
}

/* ---- who ---- */

/* What's in a certificate may have come with the file: nothing of it reaches a terminal raw. */
static void name_signer(X509 *cert, struct kho_signature *ret)
{
	const X509_NAME *name = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	const ASN1_STRING *text = at < 0 ? NULL :
		X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	unsigned char *utf8 = NULL;
	int size = text ? ASN1_STRING_to_UTF8(&utf8, text) : -1;
	size_t used = 0;

	for (int i = 0; i < size && used < sizeof(ret->signer) - 1; i++)
		ret->signer[used++] = utf8[i] >= ' ' && utf8[i] <= '~' ? (char)utf8[i] : '?';
	ret->signer[used] = '\0';
	OPENSSL_free(utf8);
	if (!used)
		strncpy(ret->signer, "somebody without a name", sizeof(ret->signer) - 1);
}

static void note_expiry(X509 *cert, struct kho_signature *ret)
{
	const ASN1_TIME *end = X509_get0_notAfter(cert);
	struct tm tm;

	if (X509_cmp_current_time(end) < 0 && ASN1_TIME_to_tm(end, &tm) == 1)
		strftime(ret->expired, sizeof(ret->expired), "%Y-%m-%d", &tm);
}

/* ---- what is signed ---- */

static ASN1_SEQUENCE_ANY *parse_sequence(const ASN1_TYPE *type)
{
	const unsigned char *at;

	if (ASN1_TYPE_get(type) != V_ASN1_SEQUENCE)
		return NULL;
	at = ASN1_STRING_get0_data(type->value.sequence);
	return d2i_ASN1_SEQUENCE_ANY(NULL, &at, ASN1_STRING_length(type->value.sequence));
}

/* SpcAttributeTypeAndOptionalValue: of a PE image, whatever its value says. */
static bool is_pe_image(const ASN1_TYPE *type)
{
	_cleanup_(free_sequence) ASN1_SEQUENCE_ANY *data = parse_sequence(type);
	const ASN1_TYPE *kind = sk_ASN1_TYPE_num(data) > 0 ? sk_ASN1_TYPE_value(data, 0) : NULL;

	return kind && ASN1_TYPE_get(kind) == V_ASN1_OBJECT &&
	       is_oid(kind->value.object, OID_PE_IMAGE_DATA);
}

/* DigestInfo */
static int compare_digest(const ASN1_TYPE *type, const uint8_t digest[KHO_SHA256_SIZE],
			  struct kho_err *err)
{
	_cleanup_(free_digest_info) X509_SIG *info = NULL;
	const ASN1_OCTET_STRING *signed_digest;
	const X509_ALGOR *algorithm;
	const ASN1_OBJECT *object;
	const unsigned char *at;

	if (ASN1_TYPE_get(type) != V_ASN1_SEQUENCE)
		return damaged(err, "no digest");
	at = ASN1_STRING_get0_data(type->value.sequence);
	info = d2i_X509_SIG(NULL, &at, ASN1_STRING_length(type->value.sequence));
	if (!info)
		return damaged(err, "no digest");
	X509_SIG_get0(info, &algorithm, &signed_digest);
	X509_ALGOR_get0(&object, NULL, NULL, algorithm);
	if (OBJ_obj2nid(object) != NID_sha256)
		return kho_fail(err, -EKEYREJECTED, "its signature is over a digest other than "
				"SHA-256; sign it with sbsign");
	if (ASN1_STRING_length(signed_digest) != KHO_SHA256_SIZE ||
	    memcmp(ASN1_STRING_get0_data(signed_digest), digest, KHO_SHA256_SIZE))
		return kho_fail(err, -EKEYREJECTED, "it isn't what was signed: the file was changed "
				"after, or the signature is another file's; install the kernel "
				"package again");
	return 0;
}

/* SpcIndirectDataContent; *@content: its value, which is what the signer's digest is over. */
static int check_content(PKCS7 *p7, const uint8_t digest[KHO_SHA256_SIZE], BIO **content,
			 struct kho_err *err)
{
	_cleanup_(free_sequence) ASN1_SEQUENCE_ANY *parts = NULL;
	const PKCS7 *inner = PKCS7_type_is_signed(p7) && p7->d.sign ? p7->d.sign->contents : NULL;
	const unsigned char *at;
	const ASN1_TYPE *type;
	int tag, class;
	long size;

	if (!inner || !is_oid(inner->type, OID_INDIRECT_DATA) || !inner->d.other)
		return damaged(err, "not Authenticode's");
	type = inner->d.other;
	parts = parse_sequence(type);
	if (sk_ASN1_TYPE_num(parts) != 2 || !is_pe_image(sk_ASN1_TYPE_value(parts, 0)))
		return damaged(err, "not of a PE image");
	at = ASN1_STRING_get0_data(type->value.sequence);
	/* what is parsed and what is hashed are the same only for a definite length */
	if (ASN1_get_object(&at, &size, &tag, &class, ASN1_STRING_length(type->value.sequence)) !=
	    V_ASN1_CONSTRUCTED)
		return damaged(err, "its content's length");
	*content = BIO_new_mem_buf(at, (int)size);
	return *content ? compare_digest(sk_ASN1_TYPE_value(parts, 1), digest, err) :
			  no_memory(err);
}

/* ---- by whom ---- */

/* A certificate that says what it's for has to say "signing code". */
static bool may_sign_code(X509 *cert)
{
	/* all bits are set if it doesn't say */
	return X509_get_extended_key_usage(cert) & (XKU_CODE_SIGN | XKU_ANYEKU);
}

static int fill_store(X509_STORE *store, const struct kho_keyring *keyring)
{
	X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);

	for (int i = 0; i < sk_X509_num(keyring->certs); i++)
		if (X509_STORE_add_cert(store, sk_X509_value(keyring->certs, i)) != 1)
			return -ENOMEM;
	/* a signer alone may be in the keyring, without the authority above it */
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
	X509_VERIFY_PARAM_set_depth(param, CHAIN_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	return 0;
}

static int check_chain(X509 *signer, STACK_OF(X509) *others, const struct kho_keyring *keyring,
		       const struct kho_signature *who, struct kho_err *err)
{
	_cleanup_(free_store_ctx) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	_cleanup_(free_store) X509_STORE *store = X509_STORE_new();

	if (!ctx || !store || fill_store(store, keyring) < 0 ||
	    X509_STORE_CTX_init(ctx, store, signer, others) != 1)
		return no_memory(err);
	if (!kho_keyring_nr(keyring))
		return kho_fail(err, -ENOKEY, "it's signed by \"%s\", and %s has no certificate at "
				"all; put those in there whose kernels you trust", who->signer,
				keyring->path);
	if (X509_verify_cert(ctx) != 1)
		return kho_fail(err, -ENOKEY, "it's signed by \"%s\", whom no certificate in %s "
				"vouches for (%s); put the signer's or its authority's in there if "
				"you trust it", who->signer, keyring->path,
				X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	if (!may_sign_code(signer))
		return kho_fail(err, -ENOKEY, "the certificate of \"%s\" isn't for signing code; "
				"sign it with one that is", who->signer);
	return 0;
}

/* What signed attributes are hashed with: MD5 and SHA-1 can be forged. */
static bool is_strong(PKCS7_SIGNER_INFO *info)
{
	X509_ALGOR *algorithm;
	int nid;

	PKCS7_SIGNER_INFO_get0_algs(info, NULL, &algorithm, NULL);
	nid = OBJ_obj2nid(algorithm->algorithm);
	return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512;
}

static int check_signer(PKCS7 *p7, BIO *content, const struct kho_keyring *keyring,
			struct kho_signature *ret, struct kho_err *err)
{
	_cleanup_(free_signers) STACK_OF(X509) *signers = NULL;
	STACK_OF(PKCS7_SIGNER_INFO) *infos = PKCS7_get_signer_info(p7);
	PKCS7_SIGNER_INFO *info;
	X509 *signer;

	if (sk_PKCS7_SIGNER_INFO_num(infos) != 1)
		return damaged(err, "it hasn't one signer");
	info = sk_PKCS7_SIGNER_INFO_value(infos, 0);
	if (!PKCS7_get_signed_attributes(info))
		return damaged(err, "no signed attributes");
	if (!is_strong(info))
		return kho_fail(err, -EKEYREJECTED, "its signature is made with a digest other than "
				"SHA-256, -384 or -512; sign it with sbsign");
	/* the signer's certificate is in the signature, or else in the keyring */
	signers = PKCS7_get0_signers(p7, keyring->certs, 0);
	if (sk_X509_num(signers) != 1)
		return kho_fail(err, -ENOKEY, "it's signed by somebody whose certificate is neither "
				"in the signature nor in %s; put it in there if you trust it",
				keyring->path);
	signer = sk_X509_value(signers, 0);
	name_signer(signer, ret);
	note_expiry(signer, ret);
	/* the chain is next: by our rules instead of those for mail */
	if (PKCS7_verify(p7, keyring->certs, NULL, content, NULL,
			 PKCS7_NOVERIFY | PKCS7_BINARY) != 1)
		return kho_fail(err, -EKEYREJECTED, "its signature isn't by \"%s\", whom it names; "
				"install the kernel package again", ret->signer);
	return check_chain(signer, p7->d.sign->cert, keyring, ret, err);
}

/* ---- one, and all ---- */

static int check_one(const struct kho_pe_signature *signature,
		     const uint8_t digest[KHO_SHA256_SIZE], const struct kho_keyring *keyring,
		     struct kho_signature *ret, struct kho_err *err)
{
	const unsigned char *at = signature->data;
	_cleanup_(free_p7) PKCS7 *p7 = NULL;
	_cleanup_(free_bio) BIO *content = NULL;
	int r;

	*ret = (struct kho_signature){};
	if (signature->size > KHO_SIGNATURE_MAX)
		return damaged(err, "too long");
	p7 = d2i_PKCS7(NULL, &at, (long)signature->size);
	if (!p7)
		return damaged(err, "not PKCS#7");
	r = check_content(p7, digest, &content, err);
	return r < 0 ? r : check_signer(p7, content, keyring, ret, err);
}

/* A signer who isn't known is as far as it comes without a good one. */
static bool is_better(int r, int than)
{
	return r == 0 || than == 0 || (r == -ENOKEY && than != -ENOKEY);
}

static int check_all(const struct kho_pe *pe, const uint8_t digest[KHO_SHA256_SIZE],
		     const struct kho_keyring *keyring, struct kho_signature *ret,
		     struct kho_err *err)
{
	struct kho_pe_signature signature;
	struct kho_signature found = {};
	struct kho_err problem, of_best;
	size_t at = 0;
	int best = 0, next = 1;

	for (int i = 0; i < KHO_SIGNATURES_MAX && next > 0; i++) {
		int r = next = kho_pe_next(pe, &at, &signature, &problem);

		if (next == 0)
			break;
		if (next > 0)
			r = check_one(&signature, digest, keyring, &found, &problem);
		ERR_clear_error();
		if (is_better(r, best))
			*ret = found;
		if (r == 0)
			return 0;
		if (is_better(r, best)) {
			best = r;
			of_best = problem;
		}
	}
	if (best)
		return kho_fail(err, best, "%s", of_best.msg);
	return kho_fail(err, -ENODATA, "it isn't signed; take a signed one (Debian's packages "
			"without -unsigned), or sign it with sbsign");
}

int kho_signature_check(const void *data, size_t size, const struct kho_keyring *keyring,
			struct kho_signature *ret, struct kho_err *err)
{
	uint8_t digest[KHO_SHA256_SIZE];
	struct kho_pe pe;
	int r;

	*ret = (struct kho_signature){};
	r = kho_pe_parse(data, size, &pe, err);
	if (r >= 0)
		r = kho_pe_digest(&pe, digest, err);
	return r < 0 ? r : check_all(&pe, digest, keyring, ret, err);
}
