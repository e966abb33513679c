// SPDX-License-Identifier: GPL-2.0-only
/*
 * The link: what two kernels tell each other without any agent's help.
 *
 * Each kernel writes its own status page in the region and reads the other's: is
 * it running, stopped, dead by panic or retired; do its timers run; where can it be
 * rung; where is its log. Page and state survive the agent. The peer's page is never trusted
 * further than its state word and doorbell word, which are checked when used.
 */
#include <linux/eventfd.h>
#include <linux/panic_notifier.h>
#include <linux/reboot.h>
#include <linux/utsname.h>
#include <linux/vmcore_info.h>

#include "mk.h"

#define PULSE	(HZ / 2)

static u32 link_region;			/* 0: no link */
static struct mk_status_page *own, *peer;	/* both or none */
/* who doesn't have mk_lock takes this, or the pages could be unmapped meanwhile */
static DEFINE_RAW_SPINLOCK(pages_lock);
static u64 own_offset, peer_offset;
static struct eventfd_ctx *event;
static DEFINE_SPINLOCK(event_lock);	/* taken in interrupts */

static void beat(struct timer_list *timer);
static DEFINE_TIMER(pulse_timer, beat);

static void set_event(struct eventfd_ctx *new)
{
	struct eventfd_ctx *old;
	unsigned long flags;

	spin_lock_irqsave(&event_lock, flags);
	old = event;
	event = new;
	spin_unlock_irqrestore(&event_lock, flags);
	if (old)
		eventfd_ctx_put(old);
}

void mk_link_rung(void)
{
	unsigned long flags;

	mk_console_kick();
	spin_lock_irqsave(&event_lock, flags);
	if (event)
		eventfd_signal(event);
	spin_unlock_irqrestore(&event_lock, flags);
}

void mk_link_publish_doorbell(u64 word)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pages_lock, flags);
	if (own)
		WRITE_ONCE(own->doorbell, word);
	raw_spin_unlock_irqrestore(&pages_lock, flags);
}

/* Returns the peer's doorbell word, or 0. */
static u64 write_state(u32 state)
{
	if (!own)
		return 0;
	smp_store_release(&own->state, state);
	return READ_ONCE(peer->doorbell);
}

void mk_link_set_state(u32 state)
{
	unsigned long flags;
	u64 word;

	raw_spin_lock_irqsave(&pages_lock, flags);
	word = write_state(state);
	raw_spin_unlock_irqrestore(&pages_lock, flags);
	mk_doorbell_ring(word);
}

bool mk_link_is_up(u32 region)
{
	return own && region == link_region;
}

bool mk_link_peer_retired(void)
{
	unsigned long flags;
	bool retired;

	raw_spin_lock_irqsave(&pages_lock, flags);
	retired = peer && READ_ONCE(peer->magic) == MK_STATUS_MAGIC &&
		  READ_ONCE(peer->state) == MK_STATE_RETIRED;
	raw_spin_unlock_irqrestore(&pages_lock, flags);
	return retired;
}

static void beat(struct timer_list *timer)
{
	WRITE_ONCE(own->pulse, own->pulse + 1);
	mod_timer(timer, jiffies + PULSE);
}

static void fill_own(void)
{
	memset(own, 0, sizeof(*own));
	strscpy(own->release, utsname()->release);
	own->doorbell = mk_doorbell_word();
	own->vmcoreinfo = paddr_vmcoreinfo_note();
	own->vmcoreinfo_size = VMCOREINFO_NOTE_SIZE;
	own->magic = MK_STATUS_MAGIC;
	smp_store_release(&own->state, MK_STATE_RUNNING);
}

/* Whatever moves the doorbell meanwhile waits, and writes its new word after ours. */
static void begin(struct mk_status_page *own_page, struct mk_status_page *peer_page)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pages_lock, flags);
	own = own_page;
	peer = peer_page;
	fill_own();
	raw_spin_unlock_irqrestore(&pages_lock, flags);
	mod_timer(&pulse_timer, jiffies);
}

static int map_pages(const struct mk_link *req)
{
	struct mk_status_page *own_page, *peer_page;

	if (!PAGE_ALIGNED(req->own_status) || !PAGE_ALIGNED(req->peer_status) ||
	    req->own_status == req->peer_status)
		return -ERANGE;
	own_page = mk_region_map(req->region, req->own_status, PAGE_SIZE);
	if (IS_ERR(own_page))
		return PTR_ERR(own_page);
	peer_page = mk_region_map(req->region, req->peer_status, PAGE_SIZE);
	if (IS_ERR(peer_page)) {
		mk_region_unmap(req->region, own_page);
		return PTR_ERR(peer_page);
	}
	own_offset = req->own_status;
	peer_offset = req->peer_status;
	link_region = req->region;
	begin(own_page, peer_page);
	return 0;
}

static bool is_same(const struct mk_link *req)
{
	return link_region == req->region && own_offset == req->own_status &&
	       peer_offset == req->peer_status;
}

int mk_link_set(void *arg)
{
	const struct mk_link *req = arg;
	struct eventfd_ctx *ctx = NULL;
	int ret;

	if (link_region && !is_same(req))
		return -EEXIST;
	if (req->event_fd != -1) {
		ctx = eventfd_ctx_fdget(req->event_fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx) == -EINVAL ? -EBADF : PTR_ERR(ctx);
	}
	ret = link_region ? 0 : map_pages(req);
	if (ret) {
		if (ctx)
			eventfd_ctx_put(ctx);
		return ret;
	}
	set_event(ctx);
	return 0;
}

static void drop_link(void)
{
	struct mk_status_page *own_page = own, *peer_page = peer;
	unsigned long flags;

	set_event(NULL);
	if (!link_region)
		return;
	timer_delete_sync(&pulse_timer);
	raw_spin_lock_irqsave(&pages_lock, flags);
	own = peer = NULL;
	raw_spin_unlock_irqrestore(&pages_lock, flags);
	mk_region_unmap(link_region, own_page);
	mk_region_unmap(link_region, peer_page);
	link_region = 0;
}

int mk_link_unset(void *arg)
{
	const struct mk_ring *req = arg;

	if (req->reserved)
		return -EINVAL;
	if (!mk_link_is_up(req->region))
		return -ENOTCONN;
	/* this kernel's own console; a kernel that it has spawned itself is on another region */
	if (mk_retire_armed() || (mk_console_is_on(req->region) && !mk_link_peer_retired()))
		return -EBUSY;
	drop_link();
	return 0;
}

int mk_link_ring(void *arg)
{
	const struct mk_ring *req = arg;

	if (req->reserved)
		return -EINVAL;
	if (!mk_link_is_up(req->region))
		return -ENOTCONN;
	return mk_doorbell_ring(READ_ONCE(peer->doorbell));
}

static int panicked(struct notifier_block *nb, unsigned long code, void *text)
{
	unsigned long flags;
	u64 word;

	/* who has it may be this CPU, or one that was stopped: the peer then learns by silence */
	if (!raw_spin_trylock_irqsave(&pages_lock, flags))
		return NOTIFY_DONE;
	if (own)
		strscpy(own->panic, text ?: "", sizeof(own->panic));
	word = write_state(MK_STATE_PANICKED);
	raw_spin_unlock_irqrestore(&pages_lock, flags);
	mk_doorbell_ring(word);
	return NOTIFY_DONE;
}

static struct notifier_block panic_nb = { .notifier_call = panicked, .priority = INT_MAX };

int mk_link_init(void)
{
	return atomic_notifier_chain_register(&panic_notifier_list, &panic_nb);
}

void mk_link_exit(void)
{
	atomic_notifier_chain_unregister(&panic_notifier_list, &panic_nb);
	drop_link();
}
