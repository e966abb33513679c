// SPDX-License-Identifier: GPL-2.0-only
/* Clients that are told of changes; feed.h has the idea. */
#include <errno.h>
#include <poll.h>

#include "api/feed.h"

bool kho_feed_is_writable(sd_varlink *link)
{
	struct pollfd fd = { .fd = sd_varlink_get_fd(link), .events = POLLOUT };

	return fd.fd >= 0 && poll(&fd, 1, 0) == 1 && fd.revents == POLLOUT;
}

static void forget(struct kho_feed *feed, struct kho_feed_client *client)
{
	sd_varlink *link = client->link;

	for (unsigned int i = 0; i < client->nr; i++)
		sd_json_variant_unref(client->queue[(client->first + i) % KHO_FEED_QUEUE]);
	*client = (struct kho_feed_client){};
	feed->nr--;
	sd_varlink_unref(link);
}

/* Forgotten first: closing may tell of the disconnection. */
static void drop(struct kho_feed *feed, struct kho_feed_client *client)
{
	sd_varlink *link = sd_varlink_ref(client->link);

	forget(feed, client);
	sd_varlink_close(link);
	sd_varlink_unref(link);
}

static sd_json_variant *take_first(struct kho_feed_client *client)
{
	sd_json_variant *v = client->queue[client->first];

	client->first = (client->first + 1) % KHO_FEED_QUEUE;
	client->nr--;
	return v;
}

/* False: it's no client any more. */
static bool send_first(struct kho_feed *feed, struct kho_feed_client *client)
{
	sd_json_variant *v = take_first(client);
	bool answer = client->over && !client->nr;
	int r = answer ? sd_varlink_reply(client->link, v) : sd_varlink_notify(client->link, v);

	sd_json_variant_unref(v);
	if (r >= 0)
		r = sd_varlink_flush(client->link);
	if (r < 0)
		drop(feed, client);
	else if (answer)
		forget(feed, client);
	return r >= 0 && !answer;
}

static void drain(struct kho_feed *feed, struct kho_feed_client *client)
{
	while (client->nr && kho_feed_is_writable(client->link))
		if (!send_first(feed, client))
			return;
}

/* 1: it was dropped. */
static unsigned int enqueue(struct kho_feed *feed, struct kho_feed_client *client,
			    sd_json_variant *v, bool over)
{
	if (!client->link || client->over)
		return 0;
	if (client->nr == KHO_FEED_QUEUE) {
		drop(feed, client);
		return 1;
	}
	client->queue[(client->first + client->nr++) % KHO_FEED_QUEUE] = sd_json_variant_ref(v);
	client->over = over && client->until_over;
	drain(feed, client);
	return 0;
}

static struct kho_feed_client *find(struct kho_feed *feed, const sd_varlink *link)
{
	for (unsigned int i = 0; i < KHO_FEED_CLIENTS; i++)
		if (feed->clients[i].link == link)
			return &feed->clients[i];
	return NULL;
}

int kho_feed_add(struct kho_feed *feed, sd_varlink *link, bool until_over)
{
	struct kho_feed_client *client = find(feed, NULL);

	if (!client)
		return -EBUSY;
	client->link = sd_varlink_ref(link);
	client->until_over = until_over;
	feed->nr++;
	return 0;
}

unsigned int kho_feed_push_to(struct kho_feed *feed, sd_varlink *link, sd_json_variant *v)
{
	struct kho_feed_client *client = find(feed, link);

	return client ? enqueue(feed, client, v, false) : 0;
}

static unsigned int push_all(struct kho_feed *feed, sd_json_variant *v, bool over)
{
	unsigned int dropped = 0;

	for (unsigned int i = 0; i < KHO_FEED_CLIENTS; i++)
		dropped += enqueue(feed, &feed->clients[i], v, over);
	return dropped;
}

unsigned int kho_feed_push(struct kho_feed *feed, sd_json_variant *v)
{
	return push_all(feed, v, false);
}

unsigned int kho_feed_push_over(struct kho_feed *feed, sd_json_variant *v)
{
	return push_all(feed, v, true);
}

bool kho_feed_drain(struct kho_feed *feed)
{
	bool waits = false;

	for (unsigned int i = 0; i < KHO_FEED_CLIENTS; i++) {
		drain(feed, &feed->clients[i]);
		waits = waits || feed->clients[i].nr;
	}
	return waits;
}

void kho_feed_gone(struct kho_feed *feed, sd_varlink *link)
{
	struct kho_feed_client *client = link ? find(feed, link) : NULL;

	if (client)
		forget(feed, client);
}

void kho_feed_done(struct kho_feed *feed)
{
	for (unsigned int i = 0; i < KHO_FEED_CLIENTS; i++)
		if (feed->clients[i].link)
			drop(feed, &feed->clients[i]);
}
