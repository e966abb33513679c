// SPDX-License-Identifier: GPL-2.0-only
/* Kernel modules; kmod.h has the contract. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "system/kmod.h"
#include "system/proc.h"

#define WORD_MAX	128u
#define EFI_SECURE_BOOT	"firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define EFI_VAR_SIZE	5		/* four bytes of attributes, one of value */

static int real_load(void *ctx, int fd, const char *params)
{
	(void)ctx;
	return syscall(SYS_finit_module, fd, params, 0) < 0 ? -errno : 0;
}

static int real_unload(void *ctx, const char *name)
{
	(void)ctx;
	return syscall(SYS_delete_module, name, O_NONBLOCK) < 0 ? -errno : 0;
}

static const struct kho_kmod_ops real_ops = {
	.load = real_load,
	.unload = real_unload,
};

static const struct kho_kmod_ops *ops_of(const struct kho_kmod *kmod)
{
	return kmod->ops ? kmod->ops : &real_ops;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

/* The name as sysfs has it. It becomes a part of paths and commands, so be strict. */
static int to_sysfs_name(const char *name, char ret[KHO_KMOD_NAME], struct kho_err *err)
{
	size_t i;

	for (i = 0; i < KHO_KMOD_NAME - 1 && name[i]; i++) {
		if (!is_name_char(name[i]) || name[0] == '-')
			break;
		ret[i] = name[i] == '-' ? '_' : name[i];
	}
	if (name[i] || !i)
		return kho_fail(err, -EINVAL, "\"%.64s\" is no name of a kernel module; give it "
				"without path and .ko", name);
	ret[i] = '\0';
	return 0;
}

bool kho_kmod_loaded(const struct kho_kmod *kmod, const char *name)
{
	_cleanup_free_ char *state = NULL;
	char path[KHO_SYSROOT_PATH], sysfs_name[KHO_KMOD_NAME];

	if (to_sysfs_name(name, sysfs_name, NULL) < 0 ||
	    kho_sysroot_path(path, kmod->root->sys, NULL, "module/%s", sysfs_name) < 0 ||
	    !kho_sysroot_exists(path))
		return false;
	/* What's built in has no initstate. */
	if (kho_sysroot_path(path, kmod->root->sys, NULL, "module/%s/initstate", sysfs_name) < 0 ||
	    kho_file_read_string(path, WORD_MAX, &state, NULL) < 0)
		return true;
	return strcmp(state, "live") == 0;
}

int kho_kmod_load(const struct kho_kmod *kmod, const char *name, unsigned int timeout_ms,
		  struct kho_err *err)
{
	const char *argv[] = { kmod->modprobe ? kmod->modprobe : "modprobe", "--", name, NULL };
	struct kho_proc_spec spec = { .argv = argv, .timeout_ms = timeout_ms };
	char sysfs_name[KHO_KMOD_NAME];
	int r;

	r = to_sysfs_name(name, sysfs_name, err);
	if (r < 0)
		return r;
	if (kho_kmod_loaded(kmod, name))
		return 0;
	r = kho_proc_check(&spec, err);
	return r < 0 ? kho_wrap(err, r, "load module %s", name) : 0;
}

static int fail_load(const char *path, int code, struct kho_err *err)
{
	switch (code) {
	case -EEXIST:
		return kho_fail(err, code, "%s: the module is loaded already; unload it first",
		path);
	case -ENOEXEC:
		return kho_fail(err, code, "%s: no module of this kernel; build it against the "
				"headers of the running one, uncompressed", path);
	case -EKEYREJECTED:
	case -ENOKEY:
		return kho_fail(err, code, "%s: the kernel doesn't accept its signature; sign it "
				"with a key that is enrolled", path);
	case -EPERM:
		return kho_fail(err, code, "%s: not permitted by lockdown, or no CAP_SYS_MODULE; "
				"sign the module, and run as root", path);
	case -ENOENT:
		return kho_fail(err, code, "%s: it needs symbols the kernel hasn't; load the "
				"modules it depends on first", path);
	default:
		return kho_fail_errno(err, code, "%s: can't be loaded, see the kernel log", path);
	}
}

int kho_kmod_load_file(const struct kho_kmod *kmod, const char *path, const char *params,
		       struct kho_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return kho_fail_errno(err, -errno, "can't open module %s", path);
	r = ops_of(kmod)->load(kmod->ctx, fd, params);
	return r < 0 ? fail_load(path, r, err) : 0;
}

int kho_kmod_unload(const struct kho_kmod *kmod, const char *name, struct kho_err *err)
{
	char sysfs_name[KHO_KMOD_NAME];
	int r;

	r = to_sysfs_name(name, sysfs_name, err);
	if (r < 0)
		return r;
	r = ops_of(kmod)->unload(kmod->ctx, sysfs_name);
	switch (r) {
	case 0:
		return 0;
	case -ENOENT:
		return kho_fail(err, r, "module %s isn't loaded; there's nothing to unload", name);
	case -EWOULDBLOCK:
		return kho_fail(err, r, "module %s is in use; release what it holds, and stop what "
				"has its devices open", name);
	case -EBUSY:
		return kho_fail(err, r, "module %s is being loaded or unloaded; try again", name);
	case -EPERM:
		return kho_fail(err, r, "module %s can't be unloaded without CAP_SYS_MODULE; run "
				"as root", name);
	default:
		return kho_fail_errno(err, r, "module %s can't be unloaded", name);
	}
}

/* ---- lockdown, Secure Boot ---- */

/* "none [integrity] confidentiality": brackets mark what holds. */
static int read_lockdown(const struct kho_sysroot *root, enum kho_lockdown *ret,
			 struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[KHO_SYSROOT_PATH];
	int r;

	*ret = KHO_LOCKDOWN_NONE;
	r = kho_sysroot_path(path, root->sys, err, "kernel/security/lockdown");
	if (r == 0)
		r = kho_file_read_string(path, WORD_MAX, &text, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (strstr(text, "[confidentiality]"))
		*ret = KHO_LOCKDOWN_CONFIDENTIALITY;
	else if (strstr(text, "[integrity]"))
		*ret = KHO_LOCKDOWN_INTEGRITY;
	else if (!strstr(text, "[none]"))
		return kho_fail(err, -EBADMSG, "%s says \"%.64s\", which means nothing to this "
				"version; update the agent", path, text);
	return 0;
}

static int read_secure_boot(const struct kho_sysroot *root, bool *ret, struct kho_err *err)
{
	_cleanup_free_ char *data = NULL;
	char path[KHO_SYSROOT_PATH];
	size_t size;
	int r;

	*ret = false;
	r = kho_sysroot_path(path, root->sys, err, EFI_SECURE_BOOT);
	if (r == 0)
		r = kho_file_read(path, EFI_VAR_SIZE, &data, &size, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (size != EFI_VAR_SIZE)
		return kho_fail(err, -EBADMSG, "%s has %zu bytes instead of %d; update the "
				"firmware", path, size, EFI_VAR_SIZE);
	*ret = data[EFI_VAR_SIZE - 1] == 1;
	return 0;
}

static int read_signed_modules(const struct kho_sysroot *root, bool *ret, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[KHO_SYSROOT_PATH];
	int r;

	*ret = false;
	r = kho_sysroot_path(path, root->sys, err, "module/module/parameters/sig_enforce");
	if (r == 0)
		r = kho_file_read_string(path, WORD_MAX, &text, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	*ret = strcmp(text, "Y") == 0 || strcmp(text, "1") == 0;
	return 0;
}

int kho_trust_read(const struct kho_sysroot *root, struct kho_trust *ret, struct kho_err *err)
{
	struct kho_trust trust = { 0 };
	int r;

	r = read_lockdown(root, &trust.lockdown, err);
	if (r == 0)
		r = read_secure_boot(root, &trust.secure_boot, err);
	if (r == 0)
		r = read_signed_modules(root, &trust.signed_modules, err);
	if (r < 0)
		return r;
	/* Lockdown refuses unsigned modules whatever sig_enforce says. */
	if (trust.lockdown != KHO_LOCKDOWN_NONE)
		trust.signed_modules = true;
	*ret = trust;
	return 0;
}
