// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moving addresses, as far as it needs no kernel: addresses as text, NICs in a
 * sysfs, frames that announce, rules as bytes. Rest: tests/lab/test_net_*.py.
 */
#include <arpa/inet.h>
#include <check.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "migrate/net/announce.h"
#include "migrate/net/hold.h"
#include "migrate/net/nft.h"
#include "migrate/net/nl.h"
#include "migrate/net/rules.h"
#include "unit/golden.h"
#include "unit/run.h"

static const uint8_t mac[KHO_MAC_SIZE] = { 0x52, 0x54, 0, 0x77, 0, 0x0b };

static struct kho_address parsed(const char *text)
{
	struct kho_address address;

	ck_assert_int_eq(kho_address_parse(text, &address, NULL), 0);
	return address;
}

START_TEST(addresses_that_are_good)
{
	static const char *const same[] = { "10.77.0.10/24", "192.0.2.1/0", "223.255.255.255/32",
					    "fd00::10/64", "2001:db8::1/128", "2001:db8::/0" };
	char text[KHO_ADDRESS_TEXT];
	struct kho_address address;
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(same); i++) {
		address = parsed(same[i]);
		kho_address_format(&address, text);
		ck_assert_str_eq(text, same[i]);
	}
	address = parsed("10.77.0.10");
	ck_assert_uint_eq(address.family, AF_INET);
	ck_assert_uint_eq(address.prefix, 32);
	ck_assert_mem_eq(address.bytes, "\12\115\0\12\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	address = parsed("FD00:0:0:0::10");
	ck_assert_uint_eq(address.family, AF_INET6);
	ck_assert_uint_eq(address.prefix, 128);
}
END_TEST

START_TEST(addresses_that_are_refused)
{
	static const char *const bad[] = {
		"", "/", "/24", "10.77.0.10/", "10.77.0.10/33", "10.77.0.10/-1", "10.77.0.10/ 24",
		"10.77.0.10/24 ", " 10.77.0.10", "10.77.0", "10.77.0.256", "10.77.0.10/24/24",
		"0.0.0.0", "0.1.2.3/8", "127.0.0.1/8", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::/64", "::1/128", "ff02::1/64", "fe80::1/64", "febf::1", "::ffff:10.77.0.10",
		"fd00::10/129", "fd00::10%eth0/64", "fd00:::10", "host", "1:2:3:4:5:6:7:8:9",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc",
	};
	struct kho_address address = { .family = 99 };
	struct kho_err err;
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(bad); i++) {
		ck_assert_msg(kho_address_parse(bad[i], &address, &err) == -EINVAL, "%s", bad[i]);
		ck_assert_uint_eq(address.family, 99);
	}
}
END_TEST

START_TEST(equal_without_their_prefix)
{
	struct kho_address a = parsed("10.77.0.10/24"), b = parsed("10.77.0.10/16");
	struct kho_address c = parsed("10.77.0.11/24"), d = parsed("a4d:a::/24");

	ck_assert(kho_address_equal(&a, &b));
	ck_assert(!kho_address_equal(&a, &c));
	ck_assert(!kho_address_equal(&a, &d));
}
END_TEST

static char root[] = "/tmp/kho-test-net-XXXXXX";

static void put(const char *folder, const char *name, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/%s", root, folder, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void forget(const char *folder, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s/%s", root, folder, name);
	ck_assert_int_eq(unlink(path), 0);
}

/* Makes a folder and those above it, below root. */
static void make(const char *folder)
{
	char path[512], *p;

	snprintf(path, sizeof(path), "%s/%s/", root, folder);
	for (p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		ck_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
		*p = '/';
	}
}

#define FUNCTION "bus/pci/devices/0000:00:04.0"

static void make_nic(const char *folder)
{
	make(folder);
	put(folder, "ifindex", "7\n");
	put(folder, "mtu", "1500\n");
	put(folder, "flags", "0x1003\n");
	put(folder, "address", "52:54:00:77:00:0b\n");
	put(folder, "carrier", "1\n");
}

static void setup(void)
{
	snprintf(root, sizeof(root), "/tmp/kho-test-net-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	make(FUNCTION "/msi_irqs");
}

static int remove_one(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;
	char below[768];

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		remove_one(below);
	}
	return remove(path);
}

static void teardown(void)
{
	ck_assert_int_eq(remove_one(root), 0);
}

static const struct kho_pci_addr function = { .device = 4 };

START_TEST(nic_of_a_virtio_function)
{
	struct kho_nic nic;

	make_nic(FUNCTION "/virtio2/net/enp0s4");
	ck_assert_int_eq(kho_nic_find(root, &function, &nic, NULL), 0);
	ck_assert_str_eq(nic.name, "enp0s4");
	ck_assert_uint_eq(nic.ifindex, 7);
	ck_assert_uint_eq(nic.mtu, 1500);
	ck_assert_mem_eq(nic.mac, mac, KHO_MAC_SIZE);
	ck_assert(nic.up && nic.carrier);
}
END_TEST

START_TEST(nic_that_is_down)
{
	struct kho_nic nic;

	make_nic(FUNCTION "/net/eth0");
	put(FUNCTION "/net/eth0", "flags", "0x1002\n");
	ck_assert_int_eq(kho_nic_find(root, &function, &nic, NULL), 0);
	ck_assert(!nic.up && !nic.carrier);
}
END_TEST

START_TEST(nics_that_are_not_there)
{
	static const struct kho_pci_addr other = { .device = 5 };
	struct kho_nic nic = { .ifindex = 99 };
	struct kho_err err;

	ck_assert_int_eq(kho_nic_find(root, &other, &nic, &err), -ENODEV);
	ck_assert_int_eq(kho_nic_find(root, &function, &nic, &err), -ENODEV);
	make_nic(FUNCTION "/0000:01:00.0/net/eth1");
	ck_assert_int_eq(kho_nic_find(root, &function, &nic, &err), -ENODEV);
	make_nic(FUNCTION "/net/eth0");
	/* renamed while it's looked at */
	forget(FUNCTION "/net/eth0", "mtu");
	ck_assert_int_eq(kho_nic_find(root, &function, &nic, &err), -ENODEV);
	make_nic(FUNCTION "/net/eth0");
	put(FUNCTION "/net/eth0", "address", "00:01:02:03:04:05:06\n");
	ck_assert_int_eq(kho_nic_find(root, &function, &nic, &err), -EINVAL);
	make_nic(FUNCTION "/net/eth2");
	ck_assert_int_eq(kho_nic_find(root, &function, &nic, &err), -EUSERS);
	ck_assert_uint_eq(nic.ifindex, 99);
}
END_TEST

START_TEST(frames_are_golden)
{
	struct kho_address v4 = parsed("10.77.0.10/24"), v6 = parsed("fd00::10/64");
	uint8_t frame[KHO_ANNOUNCE_FRAME_MAX];

	ck_assert_uint_eq(kho_announce_arp(&v4, mac, false, frame), KHO_ARP_FRAME_SIZE);
	ck_assert_mem_eq(frame, "\377\377\377\377\377\377\122\124\0\167\0\13\10\6"
			 "\0\1\10\0\6\4\0\1\122\124\0\167\0\13\12\115\0\12"
			 "\0\0\0\0\0\0\12\115\0\12", KHO_ARP_FRAME_SIZE);
	ck_assert_uint_eq(kho_announce_arp(&v4, mac, true, frame), KHO_ARP_FRAME_SIZE);
	golden_compare("announce_arp.bin", frame, KHO_ARP_FRAME_SIZE);
	ck_assert_uint_eq(kho_announce_na(&v6, mac, frame), KHO_NA_FRAME_SIZE);
	golden_compare("announce_na.bin", frame, KHO_NA_FRAME_SIZE);
}
END_TEST

/* As a receiver checks it: all of it, with the checksum in, sums up to ~0. */
START_TEST(advertisement_sums_up)
{
	struct kho_address v6 = parsed("2001:db8:ffff:ffff:ffff:ffff:ffff:fffe/64");
	uint8_t frame[KHO_ANNOUNCE_FRAME_MAX];
	uint32_t sum = 32 + 58, i;

	kho_announce_na(&v6, mac, frame);
	for (i = 22; i < KHO_NA_FRAME_SIZE; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	ck_assert_uint_eq((sum & 0xffff) + (sum >> 16), 0xffff);
}
END_TEST

START_TEST(bursts_take_a_second)
{
	unsigned int n, sum = 0;

	for (n = 0; n < KHO_ANNOUNCE_TIMES; n++)
		sum += kho_announce_delay_ms(n);
	ck_assert_uint_eq(sum, 1000);
	ck_assert_uint_eq(kho_announce_delay_ms(0), 0);
	ck_assert_uint_eq(kho_announce_delay_ms(KHO_ANNOUNCE_TIMES), 0);
}
END_TEST

START_TEST(services_are_checked)
{
	struct kho_service services[KHO_NET_ADDRESSES_MAX + 1] = { 0 };
	struct kho_hold *hold = NULL;
	struct kho_err err;

	services[0] = (struct kho_service){ parsed("10.77.0.10/24"), 2 };
	services[1] = (struct kho_service){ parsed("10.77.0.10/16"), 3 };
	ck_assert_int_eq(kho_services_check(services, 1, &err), 0);
	ck_assert_int_eq(kho_services_check(services, 2, &err), -EINVAL);
	services[1] = (struct kho_service){ parsed("fd00::10/64"), 1 };
	ck_assert_int_eq(kho_services_check(services, 2, &err), -EINVAL);
	ck_assert_int_eq(kho_hold_start(services, 0, &hold, &err), -EINVAL);
	ck_assert_int_eq(kho_hold_start(services, KHO_NET_ADDRESSES_MAX + 1, &hold, &err),
			 -EINVAL);
	ck_assert_ptr_null(hold);
}
END_TEST

/* Layouts of nftables' netlink, as the kernels of the lab took them. */
START_TEST(rules_are_golden)
{
	struct kho_address v4 = parsed("10.77.0.10/24"), v6 = parsed("fd00::10/64");
	_cleanup_nft_ struct kho_nft nft;

	kho_nft_init(&nft, NFPROTO_IPV4, "kho_test");
	kho_nft_add_table(&nft);
	kho_nft_add_chain(&nft, &(struct kho_nft_chain){ "in", NF_INET_PRE_ROUTING, -450 });
	kho_nft_rule(&nft, "in");
	kho_rule_to(&nft, &v4);
	kho_nft_match_meta(&nft, NFT_META_MARK, NFT_CMP_EQ, 0x4b484f01);
	kho_nft_counter(&nft);
	kho_nft_dup(&nft, v4.bytes, 4, 7);
	kho_nft_verdict(&nft, NF_DROP);
	kho_nft_table(&nft, NFPROTO_IPV6, "kho_test");
	kho_nft_rule(&nft, "in");
	kho_rule_discovery(&nft);
	kho_nft_verdict(&nft, NF_ACCEPT);
	kho_nft_rule(&nft, "in");
	kho_rule_from(&nft, &v6);
	kho_nft_queue(&nft, 19272);
	kho_nft_flush(&nft, "out");
	kho_nft_delete_table(&nft);
	ck_assert(!nft.full);
	golden_compare("nft_rules.bin", nft.data, nft.used);
}
END_TEST

/* The largest number of addresses fits, and what doesn't fit is an error. */
START_TEST(batch_is_bounded)
{
	struct kho_address v6 = parsed("fd00::10/64");
	_cleanup_nft_ struct kho_nft nft;
	struct kho_nl closed = { 0 };
	unsigned int i;

	kho_nft_init(&nft, NFPROTO_IPV6, "kho_test");
	for (i = 0; i < 3 * KHO_NET_ADDRESSES_MAX; i++) {
		kho_nft_rule(&nft, "discovery");
		kho_rule_from(&nft, &v6);
		kho_nft_match_meta(&nft, NFT_META_MARK, NFT_CMP_EQ, 1);
		kho_nft_counter(&nft);
		kho_nft_dup(&nft, v6.bytes, 16, 7);
		kho_nft_verdict(&nft, NF_DROP);
	}
	ck_assert(!nft.full);
	for (i = 0; i < 1000; i++) {
		kho_nft_rule(&nft, "in");
		kho_rule_discovery(&nft);
	}
	ck_assert_uint_le(nft.used, KHO_NFT_BATCH_MAX);
	ck_assert_int_eq(kho_nft_commit(&nft, &closed, NULL), -E2BIG);
}
END_TEST

/* A rule that is too long isn't cut short but makes the whole batch an error. */
START_TEST(rule_is_bounded)
{
	_cleanup_nft_ struct kho_nft nft;
	struct kho_nl closed = { 0 };
	unsigned int i;

	kho_nft_init(&nft, NFPROTO_IPV4, "kho_test");
	kho_nft_rule(&nft, "in");
	for (i = 0; i < 100; i++)
		kho_nft_match_meta(&nft, NFT_META_MARK, NFT_CMP_EQ, i);
	ck_assert_int_eq(kho_nft_commit(&nft, &closed, NULL), -E2BIG);
}
END_TEST

/* What polls one has to see that it's gone. */
START_TEST(closed_socket)
{
	struct kho_nl nl = { 0 };

	ck_assert_int_eq(kho_nl_fd(&nl), -EBADF);
	kho_nl_close(&nl);
	ck_assert_int_eq(kho_nl_open(NETLINK_ROUTE, &nl, NULL), 0);
	ck_assert_int_ge(kho_nl_fd(&nl), 0);
	kho_nl_close(&nl);
	ck_assert_int_eq(kho_nl_fd(&nl), -EBADF);
}
END_TEST

static Suite *net_suite(void)
{
	Suite *suite = suite_create("net");
	TCase *address = tcase_create("address"), *nic = tcase_create("nic");
	TCase *announce = tcase_create("announce"), *rules = tcase_create("rules");

	tcase_add_test(address, addresses_that_are_good);
	tcase_add_test(address, addresses_that_are_refused);
	tcase_add_test(address, equal_without_their_prefix);
	suite_add_tcase(suite, address);
	tcase_add_checked_fixture(nic, setup, teardown);
	tcase_add_test(nic, nic_of_a_virtio_function);
	tcase_add_test(nic, nic_that_is_down);
	tcase_add_test(nic, nics_that_are_not_there);
	suite_add_tcase(suite, nic);
	tcase_add_test(announce, frames_are_golden);
	tcase_add_test(announce, advertisement_sums_up);
	tcase_add_test(announce, bursts_take_a_second);
	suite_add_tcase(suite, announce);
	tcase_add_test(rules, services_are_checked);
	tcase_add_test(rules, rules_are_golden);
	tcase_add_test(rules, batch_is_bounded);
	tcase_add_test(rules, rule_is_bounded);
	tcase_add_test(rules, closed_socket);
	suite_add_tcase(suite, rules);
	return suite;
}

int main(void)
{
	return run_suite(net_suite());
}
