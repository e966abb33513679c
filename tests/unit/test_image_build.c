// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole builds from a small made-up Debian: what the image then has in it, that
 * the same tree makes the same bytes, and that each thing that's missing or
 * doesn't fit is named, with nothing left behind.
 */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "image/build.h"
#include "image/dir.h"
#include "unit/fake_elf.h"
#include "unit/fake_image.h"
#include "unit/fake_tree.h"
#include "unit/read_cpio.h"
#include "unit/run.h"

#define MODULES "usr/lib/modules/" FAKE_RELEASE

static const char *const wanted_modules[] = { "virtio_net", NULL };
static const char *const modaliases[] = { "virtio:d00000002v1", NULL };
static const char *const optional_modules[] = { "nonesuch", "ext4", NULL };
static const char *const vermagic[] = {
	"license=GPL", "depends=failover", "vermagic=" FAKE_RELEASE " SMP preempt", NULL
};

static struct fake_tree tree, out;
static struct kho_image_spec spec;
static struct kho_err err;
static uint8_t *archive;
static size_t archive_size;

/* ---- the made-up Debian ---- */

static void put_program(const char *path, const char *library)
{
	const char *needed[] = { library, NULL };
	struct fake_elf_spec elf_spec = {
		.interp = library ? "/lib64/ld-linux-x86-64.so.2" : NULL,
		.needed = needed,
	};
	char full[256];
	struct fake_elf elf;

	fake_elf_init(&elf, &elf_spec);
	fake_put_data(&tree, path, elf.data, elf.size);
	snprintf(full, sizeof(full), "%s/%s", tree.dir, path);
	ck_assert_int_eq(chmod(full, 0755), 0);
}

static void put_programs(void)
{
	fake_link(&tree, "bin", "usr/bin");
	fake_link(&tree, "sbin", "usr/sbin");
	fake_link(&tree, "lib", "usr/lib");
	fake_link(&tree, "lib64", "usr/lib64");
	put_program("usr/bin/busybox", NULL);
	put_program("usr/bin/kmod", "libc.so.6");
	fake_link(&tree, "usr/sbin/modprobe", "../bin/kmod");
	fake_link(&tree, "usr/sbin/insmod", "../bin/kmod");
	fake_link(&tree, "usr/sbin/rmmod", "../bin/kmod");
	fake_link(&tree, "usr/bin/lsmod", "kmod");
	put_program("usr/sbin/kho-agent", "libc.so.6");
	put_program("usr/bin/khoctl", "libc.so.6");
	put_program("usr/bin/ip", "libc.so.6");
	put_program("usr/lib/x86_64-linux-gnu/libc.so.6", NULL);
	put_program("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", NULL);
	fake_link(&tree, "usr/lib64/ld-linux-x86-64.so.2",
		  "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
	fake_put(&tree, "usr/share/kho-agent/init", "#!/bin/sh\n");
}

static void put_module(const char *path, const char *const *modinfo)
{
	struct fake_elf elf;

	fake_module_init(&elf, modinfo);
	fake_put_data(&tree, path, elf.data, elf.size);
}

static void put_kernel(void)
{
	struct fake_image image;

	fake_image_init(&image);
	fake_put_data(&tree, "boot/vmlinuz-" FAKE_RELEASE, image.data, sizeof(image.data));
	fake_put(&tree, "boot/config-" FAKE_RELEASE, "CONFIG_BLK_DEV_INITRD=y\n");
	fake_put(&tree, MODULES "/modules.dep",
		 "kernel/virtio_net.ko.xz: kernel/failover.ko.xz\nkernel/failover.ko.xz:\n"
		 "kernel/virtio_blk.ko.xz:\nkernel/unused.ko.xz:\n");
	fake_put(&tree, MODULES "/modules.dep.bin", "dep.bin");
	fake_put(&tree, MODULES "/modules.alias.bin", "alias.bin");
	fake_put(&tree, MODULES "/modules.alias", "alias virtio:d00000002v* virtio_blk\n");
	fake_put(&tree, MODULES "/modules.builtin", "kernel/fs/ext4/ext4.ko\n");
	fake_put(&tree, MODULES "/kernel/virtio_net.ko.xz", "net");
	fake_put(&tree, MODULES "/kernel/virtio_blk.ko.xz", "blk");
	fake_put(&tree, MODULES "/kernel/failover.ko.xz", "failover");
	put_module(MODULES "/updates/multikernel.ko", vermagic);
}

static void put_etc(void)
{
	fake_put(&tree, "etc/passwd", "root:x:0:0::/root:/bin/bash\n");
	fake_put(&tree, "etc/hostname", "box\n");
	fake_put(&tree, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
	fake_put(&tree, "usr/lib/os-release", "ID=debian\n");
	fake_link(&tree, "etc/os-release", "../usr/lib/os-release");
	fake_put(&tree, "etc/modprobe.d/x.conf", "options a b=1\n");
	fake_put(&tree, "etc/modprobe.d/README", "no\n");
}

static void setup(void)
{
	umask(022);
	fake_tree_init(&tree);
	fake_tree_init(&out);
	put_programs();
	put_kernel();
	put_etc();
	err = (struct kho_err){ 0 };
	spec = (struct kho_image_spec){
		.name = "img", .output_dir = out.dir, .root = tree.dir, .release = FAKE_RELEASE,
		.cmdline = "quiet", .created_by = "test 1", .created = 1795386240,
		.modules = wanted_modules, .modaliases = modaliases,
		.optional_modules = optional_modules, .compression = KHO_COMPRESSION_NONE,
	};
}

static void teardown(void)
{
	free(archive);
	archive = NULL;
	fake_tree_done(&tree);
	fake_tree_done(&out);
}

/* ---- good builds ---- */

static void open_image(struct kho_image_dir *dir)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", out.dir, spec.name);
	ck_assert_msg(kho_image_dir_open(path, dir, &err) == 0, "%s", err.msg);
	ck_assert_msg(kho_image_dir_verify(dir, &err) == 0, "%s", err.msg);
}

static void build(void)
{
	struct kho_image_dir dir;
	void *data;

	ck_assert_msg(kho_image_build(&spec, &err) == 0, "%s", err.msg);
	open_image(&dir);
	free(archive);
	ck_assert_int_eq(kho_image_dir_load(&dir, KHO_IMAGE_INITRAMFS, &data, &archive_size, &err),
			 0);
	archive = data;
	kho_image_dir_done(&dir);
	ck_assert(!fake_has(&out, ".img.new"));
}

static void expect_text(const char *path, const char *text)
{
	cpio_expect_text(archive, archive_size, path, text);
}

static void expect_link(const char *path, const char *target)
{
	cpio_expect_link(archive, archive_size, path, target);
}

static uint32_t mode_of(const char *path)
{
	struct cpio_entry entry;

	return cpio_find(archive, archive_size, path, &entry) ? entry.mode : 0;
}

START_TEST(skeleton_and_init)
{
	build();
	ck_assert_uint_eq(mode_of("init"), S_IFREG | 0755);
	expect_text("init", "#!/bin/sh\n");
	ck_assert_uint_eq(mode_of("dev/console"), S_IFCHR | 0600);
	ck_assert_uint_eq(mode_of("dev/kmsg"), S_IFCHR | 0600);
	ck_assert_uint_eq(mode_of("tmp"), S_IFDIR | 01777);
	ck_assert_uint_eq(mode_of("root"), S_IFDIR | 0700);
	expect_link("bin", "usr/bin");
	expect_link("lib64", "usr/lib64");
	expect_link("var/run", "/run");
	expect_link("usr/bin/sh", "busybox");
	expect_link("usr/bin/mount", "busybox");
}
END_TEST

START_TEST(programs_with_links_and_libraries)
{
	build();
	ck_assert_uint_eq(mode_of("usr/bin/busybox"), S_IFREG | 0755);
	ck_assert_uint_eq(mode_of("usr/bin/kmod"), S_IFREG | 0755);
	expect_link("usr/sbin/modprobe", "../bin/kmod");
	expect_link("usr/bin/lsmod", "kmod");
	ck_assert_uint_eq(mode_of("usr/sbin/kho-agent"), S_IFREG | 0755);
	ck_assert_uint_eq(mode_of("usr/bin/khoctl"), S_IFREG | 0755);
	ck_assert_uint_eq(mode_of("usr/lib/x86_64-linux-gnu/libc.so.6"), S_IFREG | 0755);
	expect_link("usr/lib64/ld-linux-x86-64.so.2",
		    "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
	ck_assert_uint_eq(mode_of("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
			  S_IFREG | 0755);
	ck_assert_uint_eq(mode_of("usr/sbin/criu"), 0);
	expect_link("usr/bin/ip", "busybox");	/* nobody asked for the real one */
}
END_TEST

START_TEST(real_programs_instead_of_applets)
{
	static const char *const programs[] = { "ip", NULL };
	static const char *const optional[] = { "criu", "no-such-program", NULL };

	put_program("usr/sbin/criu", "libc.so.6");
	spec.programs = programs;
	spec.optional_programs = optional;
	build();
	ck_assert_uint_eq(mode_of("usr/bin/ip"), S_IFREG | 0755);
	ck_assert_uint_eq(mode_of("usr/sbin/criu"), S_IFREG | 0755);
}
END_TEST

START_TEST(modules_that_were_asked_for)
{
	struct kho_image_dir dir;

	build();
	expect_text(MODULES "/kernel/virtio_net.ko.xz", "net");
	expect_text(MODULES "/kernel/failover.ko.xz", "failover");
	expect_text(MODULES "/kernel/virtio_blk.ko.xz", "blk");
	ck_assert_uint_eq(mode_of(MODULES "/kernel/unused.ko.xz"), 0);
	expect_text(MODULES "/modules.dep.bin", "dep.bin");
	expect_text(MODULES "/modules.alias.bin", "alias.bin");
	ck_assert_uint_eq(mode_of(MODULES "/modules.softdep"), 0);
	expect_text(MODULES "/modules.dep",
		    "kernel/virtio_net.ko.xz: kernel/failover.ko.xz\nkernel/failover.ko.xz:\n"
		    "kernel/virtio_blk.ko.xz:\n");
	ck_assert_uint_eq(mode_of("usr/lib/kho-agent/multikernel.ko"), S_IFREG | 0644);
	open_image(&dir);
	ck_assert_uint_eq(dir.manifest.modules.nr, 3);
	ck_assert_str_eq(dir.manifest.modules.items[2].text, "kernel/virtio_blk.ko.xz");
	ck_assert(dir.manifest.has_devices);
	ck_assert_uint_eq(dir.manifest.devices.nr, 1);
	ck_assert_str_eq(dir.manifest.devices.items[0].text, "virtio:d00000002v*");
	ck_assert_str_eq(dir.manifest.builtin.items[0].text, "ext4");
	ck_assert_str_eq(dir.manifest.created, "2026-11-22T22:24:00Z");
	ck_assert_str_eq(dir.manifest.created_by, "test 1");
	ck_assert_str_eq(dir.manifest.compression, "none");
	kho_image_dir_done(&dir);
}
END_TEST

START_TEST(our_module_where_depmod_knows_it)
{
	fake_put(&tree, MODULES "/modules.dep", "updates/multikernel.ko: kernel/failover.ko.xz\n"
		 "kernel/failover.ko.xz:\n");
	spec.modules = NULL;
	spec.modaliases = NULL;
	build();
	ck_assert_uint_eq(mode_of(MODULES "/updates/multikernel.ko"), S_IFREG | 0644);
	expect_text(MODULES "/kernel/failover.ko.xz", "failover");
	expect_link("usr/lib/kho-agent/multikernel.ko", "/" MODULES "/updates/multikernel.ko");
}
END_TEST

START_TEST(our_module_from_elsewhere)
{
	fake_remove(&tree, MODULES "/updates");
	put_module("src/mk.ko", vermagic);
	spec.module = "/src/mk.ko";
	build();
	ck_assert_uint_eq(mode_of("usr/lib/kho-agent/multikernel.ko"), S_IFREG | 0644);
	fake_put(&tree, "src/mk.ko.xz", "compressed");
	spec.module = "src/mk.ko.xz";
	spec.replace = true;
	build();
	expect_text("usr/lib/kho-agent/multikernel.ko.xz", "compressed");
}
END_TEST

START_TEST(etc_from_the_root_or_made_up)
{
	build();
	expect_text("etc/passwd", "root:x:0:0::/root:/bin/bash\n");
	expect_text("etc/group", "root:x:0:\n");
	expect_text("etc/hostname", "box\n");
	expect_text("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
	expect_link("etc/os-release", "../usr/lib/os-release");
	expect_text("usr/lib/os-release", "ID=debian\n");
	expect_text("etc/modprobe.d/x.conf", "options a b=1\n");
	ck_assert_uint_eq(mode_of("etc/modprobe.d/README"), 0);
	ck_assert_uint_eq(mode_of("etc/nsswitch.conf"), 0);
}
END_TEST

START_TEST(extra_files_and_directories)
{
	static const struct kho_image_extra extras[] = {
		{ .source = "/etc/kho-agent" },
		{ .source = "/srv/hook.sh", .dest = "/etc/kho-agent/init.d/50-lab.sh" },
		{ .source = "/lib/os-release" },
		{ .source = "/srv/data", .dest = "/opt/data" },
	};

	fake_put(&tree, "etc/kho-agent/agent.conf", "x=1\n");
	fake_put(&tree, "srv/hook.sh", "echo hi\n");
	fake_put(&tree, "srv/data/sub/file", "deep\n");
	fake_link(&tree, "srv/data/link", "sub/file");
	fake_dir(&tree, "srv/data/empty");
	spec.extras = extras;
	spec.nr_extras = 4;
	build();
	expect_text("etc/kho-agent/agent.conf", "x=1\n");
	expect_text("etc/kho-agent/init.d/50-lab.sh", "echo hi\n");
	expect_text("usr/lib/os-release", "ID=debian\n");
	expect_text("opt/data/sub/file", "deep\n");
	expect_link("opt/data/link", "sub/file");
	ck_assert_uint_eq(mode_of("opt/data/empty"), S_IFDIR | 0700);
	ck_assert_uint_eq(mode_of("srv"), 0);
}
END_TEST

/* Where the archive that's in front ends. */
static size_t end_of_first(void)
{
	struct cpio_entry entry;
	size_t offset = 0;

	while (cpio_next(archive, archive_size, &offset, &entry))
		;
	ck_assert_uint_eq(offset % 4, 0);
	return offset;
}

/* In an archive of its own, as it is; the other one follows, compressed or not, without it. */
START_TEST(packed_files)
{
	static const struct kho_image_extra extra = {
		.source = "/srv/system", .dest = "/system", .packed = true,
	};
	size_t end;

	fake_put(&tree, "srv/system", "compressed in itself\n");
	spec.extras = &extra;
	spec.nr_extras = 1;
	build();
	expect_text("system", "compressed in itself\n");
	ck_assert_uint_eq(mode_of("init"), 0);
	end = end_of_first();
	ck_assert_uint_lt(end, archive_size);
	cpio_expect_text(archive + end, archive_size - end, "etc/hostname", "box\n");
	ck_assert(!cpio_find(archive + end, archive_size - end, "system", &(struct cpio_entry){}));

	fake_put(&tree, "boot/config-" FAKE_RELEASE,
		 "CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=y\n");
	spec.compression = KHO_COMPRESSION_ZSTD;
	spec.replace = true;
	build();
	expect_text("system", "compressed in itself\n");
	ck_assert_uint_eq(end_of_first(), end);
	ck_assert_mem_eq(archive + end, "\x28\xb5\x2f\xfd", 4);
}
END_TEST

START_TEST(kernel_and_command_line)
{
	_cleanup_free_ void *kernel = NULL;
	_cleanup_free_ char *cmdline = NULL;
	struct fake_image image;
	struct kho_image_dir dir;
	size_t size;

	fake_image_init(&image);
	build();
	open_image(&dir);
	ck_assert_int_eq(kho_image_dir_load(&dir, KHO_IMAGE_KERNEL, &kernel, &size, &err), 0);
	ck_assert_uint_eq(size, sizeof(image.data));
	ck_assert_mem_eq(kernel, image.data, size);
	ck_assert_int_eq(kho_image_dir_cmdline(&dir, &cmdline, &err), 0);
	ck_assert_str_eq(cmdline, "quiet");
	kho_image_dir_done(&dir);
}
END_TEST

START_TEST(same_tree_same_bytes)
{
	_cleanup_free_ uint8_t *first = NULL;
	size_t size;

	build();
	first = archive;
	size = archive_size;
	archive = NULL;
	spec.replace = true;
	spec.created++;
	build();
	ck_assert_uint_eq(archive_size, size);
	ck_assert_mem_eq(archive, first, size);
}
END_TEST

START_TEST(compression_by_the_kernels_configuration)
{
	struct kho_image_dir dir;

	spec.compression = KHO_COMPRESSION_AUTO;
	fake_put(&tree, "boot/config-" FAKE_RELEASE,
		 "CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=y\n");
	build();
	ck_assert_int_eq(memcmp(archive, "\x28\xb5\x2f\xfd", 4), 0);
	fake_remove(&tree, "boot/config-" FAKE_RELEASE);
	spec.replace = true;
	build();
	ck_assert_int_eq(memcmp(archive, "\x1f\x8b", 2), 0);
	open_image(&dir);
	ck_assert_str_eq(dir.manifest.compression, "gzip");
	kho_image_dir_done(&dir);
}
END_TEST

#define INITRD	"CONFIG_BLK_DEV_INITRD=y\n"

/* By the kernel's configuration, by whole lines of it. */
START_TEST(kernel_that_boots_on_any_cpu)
{
	static const struct {
		const char *config, *want;
	} cases[] = {
		{ "CONFIG_X86_ANY_BOOT_CPU=y\n" INITRD, "any" },
		{ INITRD "CONFIG_X86_ANY_BOOT_CPU=y\nCONFIG_B=y\n", "any" },
		{ "# CONFIG_X86_ANY_BOOT_CPU=y\n" INITRD, "" },
		{ INITRD "CONFIG_X86_ANY_BOOT_CPU=yes\n", "" },
		{ INITRD, "" },
	};
	struct kho_image_dir dir;

	for (size_t i = 0; i < KHO_ARRAY_SIZE(cases); i++) {
		fake_put(&tree, "boot/config-" FAKE_RELEASE, cases[i].config);
		build();
		spec.replace = true;
		open_image(&dir);
		ck_assert_str_eq(dir.manifest.boot_cpu, cases[i].want);
		kho_image_dir_done(&dir);
	}
}
END_TEST

START_TEST(kernel_beside_its_modules)
{
	struct fake_image image;

	fake_image_init(&image);
	fake_remove(&tree, "boot");
	fake_put_data(&tree, MODULES "/vmlinuz", image.data, sizeof(image.data));
	build();
}
END_TEST

/* ---- builds that can't be ---- */

static void expect_failure(int code, const char *text)
{
	ck_assert_int_eq(kho_image_build(&spec, &err), code);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, text), "'%s' isn't in '%s'", text, err.msg);
	ck_assert(!fake_has(&out, "img"));
	ck_assert(!fake_has(&out, ".img.new"));
}

START_TEST(incomplete_specs)
{
	const struct kho_image_extra extra = { 0 };

	spec.name = NULL;
	expect_failure(-EINVAL, "image without a name: image: name, output");
	spec.name = "a/b";
	expect_failure(-EINVAL, "no name for an image");
	spec.name = "img";
	spec.release = "../x";
	expect_failure(-EINVAL, "no kernel release");
	spec.release = FAKE_RELEASE;
	spec.extras = &extra;
	spec.nr_extras = 1;
	expect_failure(-EINVAL, "extra file 0 has no source");
}
END_TEST

START_TEST(kernels_that_do_not_fit)
{
	char longline[FAKE_CMDLINE_SIZE + 2];

	spec.kernel = "/boot/none";
	expect_failure(-ENOENT, "kernel of release " FAKE_RELEASE " (install its package");
	fake_put(&tree, "boot/none", "text");
	expect_failure(-ENODATA, "kernel /boot/none: ");
	spec.kernel = NULL;
	memset(longline, 'x', sizeof(longline));
	longline[sizeof(longline) - 1] = '\0';
	spec.cmdline = longline;
	expect_failure(-EINVAL, "command line: 2048 characters, this kernel takes 2047");
	spec.cmdline = "a\nb";
	expect_failure(-EINVAL, "command line: control character 0xa at position 1");
	spec.cmdline = NULL;
	spec.kernel = "/boot/vmlinuz-" FAKE_RELEASE;
	spec.release = "6.12";
	expect_failure(-EINVAL, "is release " FAKE_RELEASE ", not 6.12");
}
END_TEST

START_TEST(modules_that_are_missing)
{
	static const char *const none[] = { "nonesuch", NULL };

	spec.modules = none;
	expect_failure(-ENOENT, "release " FAKE_RELEASE ": this kernel has no module nonesuch");
	spec.modules = NULL;
	spec.modaliases = none;
	expect_failure(-ENOENT, "no module for device nonesuch");
	spec.modaliases = NULL;
	spec.modules = wanted_modules;
	fake_remove(&tree, MODULES "/kernel/failover.ko.xz");
	expect_failure(-ENOENT, "initramfs.img: modules of release " FAKE_RELEASE ": ");
	fake_remove(&tree, MODULES "/modules.dep.bin");
	expect_failure(-ENOENT, "modules.dep.bin can't be found");
	fake_put(&tree, MODULES "/modules.dep", "garbage\n");
	expect_failure(-EBADMSG, "modules.dep: line 1");
	fake_remove(&tree, MODULES "/modules.dep");
	expect_failure(-ENOENT, "run depmod");
}
END_TEST

START_TEST(our_module_missing_or_of_another_kernel)
{
	static const char *const other[] = { "vermagic=6.12.107 SMP", NULL };
	static const char *const needy[] = {
		"vermagic=" FAKE_RELEASE " SMP", "depends=gone", NULL
	};

	put_module(MODULES "/updates/multikernel.ko", other);
	expect_failure(-EINVAL, "is built for kernel 6.12.107, not " FAKE_RELEASE);
	put_module(MODULES "/updates/multikernel.ko", needy);
	expect_failure(-ENOENT, "no module gone");
	fake_put(&tree, MODULES "/updates/multikernel.ko", "text");
	expect_failure(-ENOEXEC, "multikernel.ko: not an ELF file");
	fake_remove(&tree, MODULES "/updates");
	expect_failure(-ENOENT, "there's no multikernel.ko for release");
	spec.module = "/etc/passwd";
	expect_failure(-EINVAL, "/etc/passwd is no module's name");
	spec.module = "/no/multikernel.ko";
	expect_failure(-ENOENT, "multikernel.ko: ");
}
END_TEST

START_TEST(programs_that_are_missing)
{
	static const char *const none[] = { "nonesuch", NULL };

	spec.programs = none;
	expect_failure(-ENOENT, "program nonesuch is not in ");
	spec.programs = NULL;
	fake_remove(&tree, "usr/lib/x86_64-linux-gnu/libc.so.6");
	expect_failure(-ENOENT, "needs libc.so.6, which is in no library directory");
	fake_remove(&tree, "usr/bin/busybox");
	expect_failure(-ENOENT, "program /usr/bin/busybox is not in ");
}
END_TEST

START_TEST(other_files_that_are_missing)
{
	struct kho_image_extra extra = { .source = "/srv/none" };

	spec.extras = &extra;
	spec.nr_extras = 1;
	expect_failure(-ENOENT, "extra file /srv/none: ");
	extra.source = "/";
	expect_failure(-EINVAL, "the whole root can't go into an image");
	extra.source = "/etc/passwd";
	extra.dest = "/init";
	expect_failure(-EEXIST, "/init is there already");
	extra.dest = "/lib/x";
	expect_failure(-ENOTDIR, "/lib is not a directory");
	spec.nr_extras = 0;
	fake_remove(&tree, "usr/share/kho-agent/init");
	expect_failure(-ENOENT, "init of the image (install kho-agent");
	spec.root = "/no/such/root";
	expect_failure(-ENOENT, "root /no/such/root can't be opened");
}
END_TEST

START_TEST(an_image_that_is_there)
{
	build();
	ck_assert_int_eq(kho_image_build(&spec, &err), -EEXIST);
	ck_assert(fake_has(&out, "img/manifest"));
	ck_assert(!fake_has(&out, ".img.new"));
	/* a replacement that fails leaves the old one */
	spec.replace = true;
	fake_remove(&tree, MODULES "/kernel/failover.ko.xz");
	ck_assert_int_eq(kho_image_build(&spec, &err), -ENOENT);
	ck_assert(fake_has(&out, "img/manifest"));
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, skeleton_and_init);
	tcase_add_test(tc, programs_with_links_and_libraries);
	tcase_add_test(tc, real_programs_instead_of_applets);
	tcase_add_test(tc, modules_that_were_asked_for);
	tcase_add_test(tc, our_module_where_depmod_knows_it);
	tcase_add_test(tc, our_module_from_elsewhere);
	tcase_add_test(tc, etc_from_the_root_or_made_up);
	tcase_add_test(tc, extra_files_and_directories);
	tcase_add_test(tc, packed_files);
	tcase_add_test(tc, kernel_and_command_line);
	tcase_add_test(tc, same_tree_same_bytes);
	tcase_add_test(tc, compression_by_the_kernels_configuration);
	tcase_add_test(tc, kernel_that_boots_on_any_cpu);
	tcase_add_test(tc, kernel_beside_its_modules);
	tcase_add_test(tc, incomplete_specs);
	tcase_add_test(tc, kernels_that_do_not_fit);
	tcase_add_test(tc, modules_that_are_missing);
	tcase_add_test(tc, our_module_missing_or_of_another_kernel);
	tcase_add_test(tc, programs_that_are_missing);
	tcase_add_test(tc, other_files_that_are_missing);
	tcase_add_test(tc, an_image_that_is_there);
}

int main(void)
{
	Suite *suite = suite_create("image_build");
	TCase *tc = tcase_create("image_build");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
