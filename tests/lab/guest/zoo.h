/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * zoo: tasks that hold one of everything a task can have, and know whether it's whole.
 *
 * A beast is one kind of thing. set_up() makes it once; check() looks whether it's as
 * it was left, uses it, and leaves it so that the next check() can look again. What
 * differs is said by differs(), as often as needed.
 */
#ifndef LAB_ZOO_H
#define LAB_ZOO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct zoo_beast {
	const char *name;
	void (*set_up)(void);
	void (*check)(void);
};

/* zoo_sockets.c, zoo_unix.c, zoo_files.c, zoo_tasks.c; each ends with a name of NULL */
extern const struct zoo_beast zoo_sockets[], zoo_unix[], zoo_files[], zoo_tasks[];

/* Modes of their own: don't return. */
void zoo_tree(unsigned int processes);
void zoo_clock(void);
void zoo_stream(uint16_t port);
void zoo_notify(void);

/* zoo.c */

/* The service's own folder, where its files are: $RUNTIME_DIRECTORY. */
const char *zoo_dir(void);

/* The beast that's looked at is said with it. */
void differs(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Whether it's so; else it's said what isn't, with errno's text. */
int holds(int true_if_well, const char *what);

/* Ends it all if @result is negative: for what has to work when it's set up. */
int need(int result, const char *what);

/* Byte @at of a stream that's known by its number. */
uint8_t zoo_byte(uint32_t stream, uint64_t at);
void zoo_fill(uint32_t stream, uint64_t from, void *data, size_t size);

/* The first byte that's wrong, or -1. */
ssize_t zoo_wrong(uint32_t stream, uint64_t from, const void *data, size_t size);

/* Writes the stream's beginning until no more is taken; returns how much was. */
size_t zoo_fill_up(int fd, uint32_t stream, size_t limit);

/* What was written so is all there, and nothing else is. Reads it. */
void zoo_drain(int fd, uint32_t stream, size_t expected);

/* Whether there's something to read within that time. Signals don't end it. */
int zoo_ready(int fd, int timeout_ms);

uint64_t zoo_now_ns(int clock);

/*
 * The control socket: listens at DIR/control. serve() answers one who asks, with what
 * @answer says of the words.
 */
typedef void (*zoo_answer)(const char *words, char *ret, size_t size);
int zoo_listen(void);
void zoo_serve(int listener, zoo_answer answer);

#endif
