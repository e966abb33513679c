// SPDX-License-Identifier: GPL-2.0-only
/* PCI functions on the move; pci.h has the rule. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/pci.h"
#include "system/mcfg.h"
#include "system/pci.h"

#define DRIVER_TIMEOUT_MS 10000
#define ANSWER_TIMEOUT_MS 30000

static int config_from_tree(const struct kho_handover *own, const struct kho_pci_addr *addr,
			    uint64_t *ret, struct kho_err *err)
{
	struct kho_ecam ecam = { .nr = own->nr_ecam };

	for (uint32_t i = 0; i < own->nr_ecam; i++)
		ecam.segments[i] = (struct kho_ecam_segment){
			.base = own->ecam[i].address,
			.domain = own->ecam[i].domain,
			.first_bus = own->ecam[i].start_bus,
			.last_bus = own->ecam[i].end_bus,
		};
	return kho_ecam_config(&ecam, addr, ret, err);
}

int kho_pci_config(struct kho_agent *agent, const struct kho_pci_addr *addr, uint64_t *ret,
		   struct kho_err *err)
{
	struct kho_ecam ecam;
	int r;

	if (agent->spawned)
		return config_from_tree(&agent->own, addr, ret, err);
	r = kho_ecam_read(&agent->root, &ecam, err);
	return r < 0 ? r : kho_ecam_config(&ecam, addr, ret, err);
}

void kho_pci_message_init(struct kho_pci_message *message, const struct kho_pci_addr *addr,
			  uint64_t config)
{
	kho__pci_grant__init(&message->grant);
	kho__pci_function__init(&message->function);
	message->function.has_domain = message->function.has_bus = true;
	message->function.has_devfn = true;
	message->function.domain = addr->domain;
	message->function.bus = addr->bus;
	message->function.devfn = kho_pci_devfn(addr);
	message->grant.function = &message->function;
	message->grant.has_config_address = true;
	message->grant.config_address = config;
}

/* -EBADMSG: the other side named a function that can't be. */
static int read_addr(const Kho__PciFunction *function, struct kho_pci_addr *ret)
{
	if (!function || !function->has_domain || !function->has_bus || !function->has_devfn ||
	    function->domain > UINT16_MAX || function->bus > UINT8_MAX ||
	    function->devfn > UINT8_MAX)
		return -EBADMSG;
	*ret = (struct kho_pci_addr){
		.domain = function->domain,
		.bus = function->bus,
		.device = function->devfn >> 3,
		.function = function->devfn & 7,
	};
	return 0;
}

/* ---- old side ---- */

static int need_peer(struct kho_agent *agent, struct kho_err *err)
{
	if (agent->phase == KHO_PHASE_SYNC && agent->session &&
	    agent->session->role->role == KHO_ROLE_OLD)
		return 0;
	return kho_fail(err, -ENOTCONN, "no spawned kernel is connected; khoctl spawn one first");
}

/* Who has the function now isn't known: it stays held, and so unused here. */
static int on_no_answer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_session *session = userdata;
	struct kho_err err;

	(void)source;
	(void)usec;
	session->asked = false;
	/* not -ETIMEDOUT, which says that everything was undone */
	kho_fail(&err, -EIO, "the new kernel's agent did not answer; revoke the function "
		 "once it does, or khoctl reclaim");
	kho_agent_answer(session->agent, &err);
	return 0;
}

void kho_pci_drop(struct kho_session *session)
{
	struct kho_err err;

	if (!session->asked)
		return;
	session->asked = false;
	kho_fail(&err, -EIO, "the new kernel's agent was started again before it answered; revoke "
		 "the function");
	kho_agent_answer(session->agent, &err);
}

static int ask(struct kho_session *session, const Kho__Envelope *envelope,
	       const struct kho_pci_addr *addr, struct kho_err *err)
{
	int r = kho_session_send(session, envelope, err);

	if (r < 0)
		return r;
	session->asked = true;
	session->asked_addr = *addr;
	return kho_session_set_deadline(session, ANSWER_TIMEOUT_MS, on_no_answer, err);
}

static void give_back(struct kho_agent *agent, const struct kho_pci_addr *addr, struct kho_err *err)
{
	const struct kho_pci_hold hold = { .addr = *addr };
	struct kho_err undo;

	if (kho_pci_release(&agent->root, &hold, DRIVER_TIMEOUT_MS, &undo) < 0)
		kho_wrap(err, err->code, "and its driver did not take it back (%s)", undo.msg);
}

int kho_pci_grant(struct kho_agent *agent, const struct kho_pci_addr *addr, struct kho_err *err)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	struct kho_pci_message message;
	struct kho_pci_hold hold;
	uint64_t config;
	int r = need_peer(agent, err);

	if (r >= 0)
		r = kho_pci_check_free(&agent->root, addr, err);
	if (r >= 0)
		r = kho_pci_config(agent, addr, &config, err);
	if (r >= 0)
		r = kho_pci_hold(&agent->root, addr, DRIVER_TIMEOUT_MS, &hold, err);
	if (r < 0)
		return r;
	kho_pci_message_init(&message, addr, config);
	envelope.body_case = KHO__ENVELOPE__BODY_PCI_GRANT;
	envelope.pci_grant = &message.grant;
	r = ask(agent->session, &envelope, addr, err);
	if (r < 0)
		give_back(agent, addr, err);
	return r;
}

int kho_pci_revoke(struct kho_agent *agent, const struct kho_pci_addr *addr, struct kho_err *err)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__PciRevoke revoke = KHO__PCI_REVOKE__INIT;
	struct kho_pci_function function;
	struct kho_pci_message message;
	int r = need_peer(agent, err);

	if (r >= 0)
		r = kho_pci_read(&agent->root, addr, &function, err);
	if (r < 0)
		return r;
	if (!kho_pci_is_held(&function))
		return kho_fail(err, -ENOENT, "this function wasn't granted; see khoctl status");
	kho_pci_message_init(&message, addr, 0);
	revoke.function = &message.function;
	envelope.body_case = KHO__ENVELOPE__BODY_PCI_REVOKE;
	envelope.pci_revoke = &revoke;
	return ask(agent->session, &envelope, addr, err);
}

/*
 * A grant that failed and a revoke that worked both leave the function with
 * nobody on the other side: it's given back to its driver here.
 */
void kho_pci_result(struct kho_session *session, const Kho__PciResult *result)
{
	struct kho_agent *agent = session->agent;
	struct kho_pci_addr addr;
	struct kho_err err = {};
	bool asked;

	if (read_addr(result->function, &addr) < 0)
		return;
	/* a late answer isn't for whoever waits now, and for something else */
	asked = session->asked && kho_pci_is_same(&addr, &session->asked_addr);
	if (result->has_code && result->code < 0)
		kho_fail(&err, result->code, "the new kernel: %s", result->text ?: "refused");
	if (result->has_released && result->released)
		give_back(agent, &addr, &err);
	if (!asked) {
		kho_agent_progress(agent, "a late answer about a function: %s",
				   err.code ? err.msg : "done");
		return;
	}
	session->asked = false;
	kho_session_set_deadline(session, 0, NULL, NULL);
	kho_agent_answer(agent, &err);
}

int kho_pci_take_all_back(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_pci_list list = {};
	struct kho_pci_hold hold = {};
	int r = kho_pci_list_read(&agent->root, &list, err), one;
	struct kho_err seen;

	/* a spawned kernel without any function has no PCI to speak of */
	if (r == -EOPNOTSUPP)
		return 0;
	for (size_t i = 0; i < list.nr; i++) {
		if (!kho_pci_is_ours(&list.functions[i]))
			continue;
		hold.addr = list.functions[i].addr;
		one = kho_pci_release(&agent->root, &hold, DRIVER_TIMEOUT_MS, &seen);
		/* no driver wants it: it had none before either */
		if (one == -ENOENT || one >= 0 || r < 0)
			continue;
		*err = seen;
		r = one;
	}
	kho_pci_list_done(&list);
	return r;
}

/* ---- new side ---- */

static void answer(struct kho_session *session, const Kho__PciFunction *function, bool released,
		   const struct kho_err *err)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__PciResult result = KHO__PCI_RESULT__INIT;

	result.function = (Kho__PciFunction *)function;
	result.has_code = true;
	result.code = err->code;
	result.text = err->code ? (char *)err->msg : NULL;
	result.has_released = true;
	result.released = released;
	envelope.body_case = KHO__ENVELOPE__BODY_PCI_RESULT;
	envelope.pci_result = &result;
	/* unheard, the other side's client gives up by itself */
	(void)kho_session_send(session, &envelope, NULL);
}

static int grant(struct kho_agent *agent, const Kho__PciGrant *grant_message, struct kho_err *err)
{
	struct kho_pci_addr addr;

	if (read_addr(grant_message->function, &addr) < 0 || !grant_message->has_config_address)
		return kho_fail(err, -EBADMSG, "the grant names no function; "
				"update the older agent");
	return kho_device_pci_grant(&agent->device, &addr, grant_message->config_address, err);
}

void kho_pci_on_grant(struct kho_session *session, const Kho__PciGrant *message)
{
	struct kho_err err = {};
	int r = grant(session->agent, message, &err);

	answer(session, message->function, r < 0 && r != -EEXIST, &err);
}

void kho_pci_on_revoke(struct kho_session *session, const Kho__PciRevoke *message)
{
	struct kho_pci_addr addr;
	struct kho_err err = {};
	int r = read_addr(message->function, &addr);

	if (r < 0)
		kho_fail(&err, r, "the revoke names no function; update the older agent");
	else
		r = kho_device_pci_revoke(&session->agent->device, &addr, &err);
	/* what was never granted can be taken at once */
	if (r == -ENOENT)
		err = (struct kho_err){};
	answer(session, message->function, r >= 0 || r == -ENOENT, &err);
}

unsigned int kho_pci_absorb(struct kho_agent *agent)
{
	const Kho__RetireReady *left = agent->left;
	struct kho_err err;
	unsigned int nr = 0;
	int r;

	for (size_t i = 0; left && i < left->n_functions; i++) {
		r = grant(agent, left->functions[i], &err);
		if (r >= 0 || r == -EEXIST)
			nr++;
		else
			kho_agent_progress(agent, "a function stays unused: %s", err.msg);
	}
	return nr;
}

/* ---- as steps of a move ---- */

int kho_pci_hold_still(struct kho_agent *agent, const struct kho_pci_addr *addr,
		       struct kho_err *err)
{
	struct kho_pci_function function;
	struct kho_pci_hold hold;
	int r = kho_pci_read(&agent->root, addr, &function, err);

	if (r >= 0 && kho_pci_is_held(&function))
		return 0;
	if (r >= 0)
		r = kho_pci_hold(&agent->root, addr, DRIVER_TIMEOUT_MS, &hold, err);
	return r < 0 ? r : 1;
}

int kho_pci_let_go(struct kho_agent *agent, const struct kho_pci_addr *addr, struct kho_err *err)
{
	const struct kho_pci_hold hold = { .addr = *addr };
	struct kho_pci_function function;
	int r = kho_pci_read(&agent->root, addr, &function, err);

	/*
	 * It was never taken, or is back already. One without a driver may be on its way back: who
	 * was at it was killed between the override's end and the probe.
	 */
	if (r < 0 || (function.driver[0] && !kho_pci_is_ours(&function)))
		return r;
	r = kho_pci_release(&agent->root, &hold, DRIVER_TIMEOUT_MS, err);
	return r < 0 ? r : 1;
}

int kho_pci_read_grant(const Kho__PciGrant *message, struct kho_pci_addr *ret, struct kho_err *err)
{
	if (read_addr(message->function, ret) < 0 || !message->has_config_address)
		return kho_fail(err, -EBADMSG, "the grant names no function; "
				"update the older agent");
	return 0;
}

int kho_pci_take_grant(struct kho_agent *agent, const struct kho_pci_addr *addr,
		       struct kho_err *err)
{
	uint64_t config;
	int r = kho_pci_config(agent, addr, &config, err);

	if (r >= 0)
		r = kho_device_pci_grant(&agent->device, addr, config, err);
	if (r != -EEXIST)
		return r < 0 ? r : 1;
	*err = (struct kho_err){};
	return 0;
}

int kho_pci_drop_grant(struct kho_agent *agent, const struct kho_pci_addr *addr,
		       struct kho_err *err)
{
	int r = kho_device_pci_revoke(&agent->device, addr, err);

	if (r != -ENOENT)
		return r < 0 ? r : 1;
	*err = (struct kho_err){};
	return 0;
}
