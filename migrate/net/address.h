/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Service addresses, the NICs they are on, and what rtnetlink does to them.
 *
 * A service address is an IPv4 or IPv6 address with the length of its subnet's
 * prefix. A NIC is found by its PCI function, since names differ between two
 * kernels. Everything that is set here carries KHO_NET_PROTOCOL in the kernel's
 * tables ("proto 75" in ip(8)), so that a later agent knows it as ours.
 *
 * None of this keeps an address quiet: see silence.h for that, which has to
 * come before kho_address_add() on a kernel that gets an address before the
 * other one gave it up.
 *
 * All return 0 or a negative errno and fill @err (may be NULL). Calls that
 * change the kernel's tables block for the moment that rtnetlink takes.
 */
#ifndef KHO_MIGRATE_NET_ADDRESS_H
#define KHO_MIGRATE_NET_ADDRESS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/parse.h"

#define KHO_NET_PROTOCOL	75	/* of routes, neighbours, addresses that are ours */
#define KHO_NET_ADDRESSES_MAX	64	/* service addresses moved together */
#define KHO_ADDRESS_TEXT	64	/* "fd00::10/64" and its terminator */
#define KHO_MAC_SIZE		6

struct kho_address {
	uint8_t family;			/* AF_INET or AF_INET6 */
	uint8_t prefix;			/* bits of the subnet: 0 to 32, or to 128 */
	uint8_t bytes[16];		/* network order; the first 4 for IPv4, the rest 0 */
};

struct kho_nic {
	char name[IF_NAMESIZE];
	unsigned int ifindex;
	uint8_t mac[KHO_MAC_SIZE];
	uint32_t mtu;
	bool up;			/* set up by the administrator */
	bool carrier;			/* and the link is there */
};

/* A service address and the interface of this kernel that it's on (or will be). */
struct kho_service {
	struct kho_address address;
	unsigned int ifindex;
};

/*
 * "10.77.0.10/24", "fd00::10/64"; without a length it's the whole address (32 or
 * 128). -EINVAL: another form, or an address that no host can have (unspecified,
 * multicast, broadcast, loopback). Link-local IPv6 addresses are refused, too:
 * they belong to a NIC.
 */
int kho_address_parse(const char *text, struct kho_address *ret, struct kho_err *err);
void kho_address_format(const struct kho_address *address, char text[KHO_ADDRESS_TEXT]);

/* Length in bytes: 4 or 16. */
static inline size_t kho_address_size(const struct kho_address *address)
{
	return address->family == 2 /* AF_INET */ ? 4 : 16;
}

/* Whether they are the same address; lengths of prefixes don't count. */
bool kho_address_equal(const struct kho_address *a, const struct kho_address *b);

/*
 * The network interface of a PCI function. @sysfs is "/sys". -ENODEV: it has
 * none (now): no driver, or the driver is still at it; the caller may try again.
 * -EUSERS: it has several.
 */
int kho_nic_find(const char *sysfs, const struct kho_pci_addr *function, struct kho_nic *ret,
		 struct kho_err *err);

/*
 * Sets the interface up. The carrier comes later: kho_nic_find() tells. Doing it
 * again is no error. A NIC that is up makes its own IPv6 link-local address.
 */
int kho_nic_up(unsigned int ifindex, struct kho_err *err);

/*
 * Adds the address: no duplicate address detection, no lifetime. That it's
 * there already on this interface is no error.
 */
int kho_address_add(const struct kho_service *service, struct kho_err *err);

/*
 * Removes the address only, not others of its subnet (secondary ones are
 * promoted). That it's not there is no error.
 */
int kho_address_remove(const struct kho_service *service, struct kho_err *err);

/*
 * Where the address is in this kernel, with the prefix it has there. -ENOENT:
 * on no interface.
 */
int kho_address_find(const struct kho_address *address, struct kho_service *ret,
		     struct kho_err *err);

/*
 * The default route by @gateway (its prefix doesn't count) out of @ifindex; one
 * by another router with the same metric is replaced.
 */
int kho_gateway_add(const struct kho_address *gateway, unsigned int ifindex,
		    struct kho_err *err);

#endif
