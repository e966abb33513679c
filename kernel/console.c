// SPDX-License-Identifier: GPL-2.0-only
/*
 * The console of a spawned kernel: two rings in the region.
 *
 * What this kernel prints goes to the output ring, as does what processes write
 * to /dev/ttyMK0; what the old kernel's operator types comes by the input ring,
 * announced by the doorbell, and looked for a few times a second besides. The
 * output ring never blocks: what isn't read in time is overwritten, and the
 * reader sees by the counters how much it missed.
 *
 * A kernel with kernel/patches/0002 prints to the output ring from its first
 * lines on, by a console of its own, "memring". It ends when ours begins.
 */
#include <linux/console.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/timer.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/tty_flip.h>

#include "mk.h"

#define POLL_JIFFIES (HZ / 10)
#define CHUNK 256

static struct mk_console_ring *out_ring, *in_ring;
static u32 out_size, in_size;		/* checked once, then ours */
static u64 out_head, in_tail;		/* our own copies: the ring is shared */
static u32 region;
static DEFINE_RAW_SPINLOCK(out_lock);
static struct tty_driver *driver;
static struct tty_port port;
static struct timer_list poll_timer;

static void put(const char *text, size_t len)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&out_lock, flags);
	for (size_t i = 0; i < len; i++)
		out_ring->data[out_head++ & (out_size - 1)] = text[i];
	smp_store_release(&out_ring->head, out_head);
	raw_spin_unlock_irqrestore(&out_lock, flags);
}

static void console_out(struct console *con, const char *text, unsigned int len)
{
	put(text, len);
}

static struct tty_driver *console_tty(struct console *con, int *index)
{
	*index = 0;
	return driver;
}

static struct console console = {
	.name = "ttyMK",
	.write = console_out,
	.device = console_tty,
	.flags = CON_PRINTBUFFER | CON_ENABLED,
	.index = 0,
};

static ssize_t tty_put(struct tty_struct *tty, const u8 *text, size_t len)
{
	put(text, len);
	return len;
}

static unsigned int tty_room(struct tty_struct *tty)
{
	return PAGE_SIZE;
}

static int tty_open_port(struct tty_struct *tty, struct file *file)
{
	return tty_port_open(&port, tty, file);
}

static void tty_close_port(struct tty_struct *tty, struct file *file)
{
	tty_port_close(&port, tty, file);
}

static void tty_hang_up(struct tty_struct *tty)
{
	tty_port_hangup(&port);
}

static const struct tty_operations tty_ops = {
	.open = tty_open_port,
	.close = tty_close_port,
	.hangup = tty_hang_up,
	.write = tty_put,
	.write_room = tty_room,
};

static const struct tty_port_operations port_ops = {};

/* The peer's head is hostile: more than a ring full is none of ours. */
static void take_input(void)
{
	u64 head = smp_load_acquire(&in_ring->head), avail = head - in_tail;
	u8 chunk[CHUNK];
	size_t len = min_t(u64, avail, sizeof(chunk));

	if (!avail)
		return;
	if (avail > in_size) {
		in_tail = head;
		len = 0;
	}
	for (size_t i = 0; i < len; i++)
		chunk[i] = in_ring->data[(in_tail + i) & (in_size - 1)];
	len = tty_insert_flip_string(&port, chunk, len);
	in_tail += len;
	WRITE_ONCE(in_ring->tail, in_tail);
	tty_flip_buffer_push(&port);
}

static void poll_input(struct timer_list *unused)
{
	take_input();
	mod_timer(&poll_timer, jiffies + POLL_JIFFIES);
}

void mk_console_kick(void)
{
	if (driver)
		mod_timer(&poll_timer, jiffies);
}

bool mk_console_is_on(u32 id)
{
	return driver && region == id;
}

static int make_tty(void)
{
	struct tty_driver *drv = tty_alloc_driver(1, TTY_DRIVER_REAL_RAW |
						  TTY_DRIVER_UNNUMBERED_NODE);
	int ret;

	if (IS_ERR(drv))
		return PTR_ERR(drv);
	drv->driver_name = MK_NAME;
	drv->name = "ttyMK0";
	drv->type = TTY_DRIVER_TYPE_CONSOLE;
	drv->init_termios = tty_std_termios;
	tty_set_operations(drv, &tty_ops);
	tty_port_init(&port);
	port.ops = &port_ops;
	tty_port_link_device(&port, drv, 0);
	ret = tty_register_driver(drv);
	if (ret) {
		tty_driver_kref_put(drv);
		tty_port_destroy(&port);
		return ret;
	}
	driver = drv;
	return 0;
}

static struct mk_console_ring *map_ring(u32 id, u64 offset, u32 *size)
{
	struct mk_console_ring *ring = mk_region_map(id, offset, sizeof(*ring));
	u32 data;
	u64 magic;

	if (IS_ERR(ring))
		return ring;
	magic = READ_ONCE(ring->magic);
	data = READ_ONCE(ring->size);
	mk_region_unmap(id, ring);
	if (magic != MK_CONSOLE_MAGIC || !is_power_of_2(data) || data < PAGE_SIZE ||
	    data > SZ_16M)
		return ERR_PTR(-EINVAL);
	*size = data;
	return mk_region_map(id, offset, sizeof(*ring) + data);
}

static void unmap_rings(void)
{
	if (!IS_ERR_OR_NULL(out_ring))
		mk_region_unmap(region, out_ring);
	if (!IS_ERR_OR_NULL(in_ring))
		mk_region_unmap(region, in_ring);
	out_ring = in_ring = NULL;
}

static int map_rings(const struct mk_console *req)
{
	int ret = 0;

	region = req->region;
	out_ring = map_ring(region, req->out_ring, &out_size);
	in_ring = map_ring(region, req->in_ring, &in_size);
	if (IS_ERR(out_ring) || IS_ERR(in_ring)) {
		ret = PTR_ERR(IS_ERR(out_ring) ? out_ring : in_ring);
		unmap_rings();
		return ret;
	}
	out_head = READ_ONCE(out_ring->head);
	in_tail = READ_ONCE(in_ring->tail);
	return ret;
}

/* It has flushed all to the ring before it goes. */
static void end_early_console(void)
{
	struct console *con, *early = NULL;

	console_list_lock();
	for_each_console(con)
		if (!strcmp(con->name, "memring"))
			early = con;
	console_list_unlock();
	if (!early)
		return;
	unregister_console(early);
	out_head = READ_ONCE(out_ring->head);
	/* what was logged before is in the ring, if that was ours */
	if (out_head)
		console.flags &= ~CON_PRINTBUFFER;
}

int mk_console_start(void *arg)
{
	const struct mk_console *req = arg;
	int ret;

	if (req->reserved)
		return -EINVAL;
	if (driver)
		return -EEXIST;
	ret = map_rings(req);
	if (ret)
		return ret;
	ret = make_tty();
	if (ret) {
		unmap_rings();
		return ret;
	}
	end_early_console();
	timer_setup(&poll_timer, poll_input, 0);
	mod_timer(&poll_timer, jiffies + POLL_JIFFIES);
	register_console(&console);
	/* the console stays as long as this kernel does: so does the module */
	__module_get(THIS_MODULE);
	return 0;
}
