// SPDX-License-Identifier: GPL-2.0-only
/*
 * The old kernel's end of the new one's console.
 *
 * What the new kernel prints is moved from the ring in the region to a file, so
 * that it's there when the kernel isn't any more. The ring's counters are the
 * other kernel's: they say at most that some was lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/session.h"
#include "base/bits.h"
#include "spawn/layout.h"

#define LOG_MAX		(16 * KHO_MIB)

static void format_ring(void *at, uint64_t size)
{
	struct mk_console_ring *ring = at;
	uint32_t data = 4096;

	while (data * 2ULL + sizeof(*ring) <= size)
		data *= 2;
	memset(ring, 0, sizeof(*ring));
	ring->size = data;
	ring->magic = MK_CONSOLE_MAGIC;
}

void kho_console_format(void *region)
{
	format_ring((char *)region + KHO_OFF_CONSOLE_OUT, KHO_CONSOLE_OUT_SIZE);
	format_ring((char *)region + KHO_OFF_CONSOLE_IN, KHO_CONSOLE_IN_SIZE);
}

static struct mk_console_ring *find_ring(struct kho_session *session, const char *name,
					 uint32_t *ret_size)
{
	uint64_t arena;
	struct mk_console_ring *ring = kho_session_arena(session, name, &arena);
	uint32_t size;

	if (!ring || arena < sizeof(*ring))
		return NULL;
	size = *(volatile uint32_t *)&ring->size;
	if (ring->magic != MK_CONSOLE_MAGIC || !size || size & (size - 1) ||
	    size > arena - sizeof(*ring))
		return NULL;
	*ret_size = size;
	return ring;
}

int kho_console_open(struct kho_session *session, struct kho_err *err)
{
	struct kho_console_tap *tap = &session->console;

	tap->ring = find_ring(session, "console-out", &tap->size);
	tap->in_ring = find_ring(session, "console-in", &tap->in_size);
	if (!tap->ring || !tap->in_ring)
		return kho_fail(err, -EBADMSG, "the console rings in the region are damaged");
	tap->tail = tap->ring->tail;
	tap->in_head = tap->in_ring->head;
	tap->fd = open(KHO_CONSOLE_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
		       (tap->tail ? 0 : O_TRUNC), 0600);
	if (tap->fd < 0)
		return kho_fail_errno(err, -errno, KHO_CONSOLE_LOG);
	tap->kept = tap->tail;
	return 0;
}

void kho_console_close(struct kho_session *session)
{
	if (session->console.fd >= 0) {
		kho_console_drain(session);
		close(session->console.fd);
	}
	session->console.fd = -EBADF;
}

static void keep(struct kho_console_tap *tap, uint64_t len)
{
	uint64_t at = tap->tail & (tap->size - 1), first = tap->size - at;

	if (tap->kept + len > LOG_MAX)
		return;
	if (first > len)
		first = len;
	/* a log that can't be written is no reason to stop an upgrade */
	if (write(tap->fd, tap->ring->data + at, first) < 0 ||
	    write(tap->fd, tap->ring->data, len - first) < 0)
		return;
	tap->kept += len;
}

/* A copy: the ring is the other kernel's. */
static void show(struct kho_agent *agent, const struct kho_console_tap *tap, uint64_t len)
{
	char *text = malloc(len + 1);

	if (!text)
		return;
	for (uint64_t i = 0; i < len; i++)
		text[i] = tap->ring->data[(tap->tail + i) & (tap->size - 1)] ?: ' ';
	text[len] = '\0';
	kho_agent_console(agent, text);
	free(text);
}

void kho_console_drain(struct kho_session *session)
{
	static const char lost[] = "\n[some of the console was lost]\n";
	struct kho_console_tap *tap = &session->console;
	uint64_t head, len;

	if (tap->fd < 0)
		return;
	head = __atomic_load_n(&tap->ring->head, __ATOMIC_ACQUIRE);
	len = head - tap->tail;
	if (!len)
		return;
	if (len > tap->size) {
		(void)!write(tap->fd, lost, sizeof(lost) - 1);
		len = tap->size;
		tap->tail = head - len;
	}
	keep(tap, len);
	show(session->agent, tap, len);
	tap->tail = head;
	__atomic_store_n(&tap->ring->tail, head, __ATOMIC_RELEASE);
}

int kho_console_type(struct kho_session *session, const char *text, struct kho_err *err)
{
	struct kho_console_tap *tap = &session->console;
	uint64_t tail = __atomic_load_n(&tap->in_ring->tail, __ATOMIC_ACQUIRE);
	size_t len = strlen(text);

	if (tap->in_head - tail > tap->in_size || len > tap->in_size - (tap->in_head - tail))
		return kho_fail(err, -EAGAIN, "the console takes no more input now; "
				"does the new kernel still run?");
	for (size_t i = 0; i < len; i++)
		tap->in_ring->data[(tap->in_head + i) & (tap->in_size - 1)] = text[i];
	tap->in_head += len;
	__atomic_store_n(&tap->in_ring->head, tap->in_head, __ATOMIC_RELEASE);
	kho_device_ring(&session->agent->device, session->region.id, NULL);
	return 0;
}
