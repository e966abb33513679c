/* SPDX-License-Identifier: GPL-2.0-only */
/* The version of the agent and its tools. */
#ifndef KHO_BASE_VERSION_H
#define KHO_BASE_VERSION_H

#define KHO_VERSION "0.1.0"

#endif
