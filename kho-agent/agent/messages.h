/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The messages of the agent that have an id of their own (MESSAGE_ID= in the journal), so
 * that programs find them whatever their words are. What each one means and what to do is
 * in units/kho-agent.catalog, which has the same ids: a rule of lint sees to that.
 *
 * An id is for ever. A message whose meaning changes gets another one (systemd-id128 new).
 *
 *	X(name, id, priority)
 */
#ifndef KHO_AGENT_MESSAGES_H
#define KHO_AGENT_MESSAGES_H

#include <syslog.h>

#define KHO_MESSAGES(X) \
	X(UPGRADE_BEGUN, "33520b94a94b418885823d6df18a1cc1", LOG_NOTICE) \
	X(UPGRADE_RESUMED, "ab6b6a321e024d71a2e7032342604678", LOG_NOTICE) \
	X(UPGRADE_DONE, "008406259da841dba33f325e652aa863", LOG_NOTICE) \
	X(UPGRADE_FAILED, "c1f0af44295c47a79d2871e49c2e5928", LOG_ERR) \
	X(UPGRADE_HELD, "6be1ec5573e24a84949126483aa81277", LOG_WARNING) \
	X(PHASE, "27967b0cb7f24a818781487129837da2", LOG_INFO) \
	X(MOVE_COMMITTED, "22491a0e695d46f9b2ade6769b045dc6", LOG_NOTICE) \
	X(MOVE_UNDONE, "52812fbaff1f4f9ca39828cb3dde4ec6", LOG_ERR) \
	X(CANNOT_MOVE, "258a6b9395e44f769692916efd30a855", LOG_WARNING) \
	X(RESTARTED, "b719a814243a4ab7998296ff75bb89fe", LOG_WARNING) \
	X(PEER_LOST, "0f64f5b0019d4761ac55363830fed833", LOG_ERR) \
	X(FAILOVER, "9f41450883044df5835bf2caa56a9517", LOG_ERR) \
	X(STARTED_ANEW, "8f88f6333be44361a66121f17854c796", LOG_WARNING) \
	X(RETIRING, "d3a8036f30f44d968f0f8588b5ae786e", LOG_NOTICE) \
	X(TAKEN_OVER, "757dca51a1fd4879b011b478d3725051", LOG_NOTICE) \
	X(IMAGE_REFUSED, "5a00d480ddc442ad921379de6cf1c79d", LOG_WARNING)

enum kho_message {
	KHO_MESSAGE_NONE = 0,		/* how it goes, in words */
#define X(name, id, priority) KHO_MESSAGE_##name,
	KHO_MESSAGES(X)
#undef X
	_KHO_MESSAGE_MAX,
};

#endif
