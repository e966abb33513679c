/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The agent's local API: Varlink on a socket. The interface itself, with every
 * method and field, is in api.c and can be asked for:
 *
 *	varlinkctl introspect /run/kho-agent/io.khoagent.Upgrade
 *
 * Long calls (Spawn, Retire) send {message} notifications while they run, if the
 * client asked for more; a client that goes away stops nothing. Status with more goes
 * on for as long as the client is there (feed.h).
 */
#ifndef KHO_API_API_H
#define KHO_API_API_H

#include <systemd/sd-varlink-idl.h>

#define KHO_API_INTERFACE	"io.khoagent.Upgrade"
#define KHO_API_SOCKET		"/run/kho-agent/" KHO_API_INTERFACE
#define KHO_API_METHOD(name)	KHO_API_INTERFACE "." name
/* {code, message, tried?}: code is an errno's number, message has cause and remedy */
#define KHO_API_ERROR		KHO_API_INTERFACE ".Failed"

const sd_varlink_interface *kho_api_interface(void);

#endif
