/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_peers.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/bytes.h"

struct slot {
	struct http_peer_key key;
	unsigned             count; /* 0: free */
	size_t               held;
};

/* Open addressing, at most half full. */
struct http_peers {
	pthread_mutex_t lock;
	unsigned        per_peer_max;
	size_t          held, held_max, held_per_peer_max;
	size_t          mask;
	struct slot    *slots;
};

static size_t
home_of(const struct http_peers *peers, const struct http_peer_key *key)
{
	uint64_t hash = bytes_hash(BYTES_HASH_START ^ (uint64_t)(uintptr_t)peers->slots,
	                           str_of(key->b, sizeof(key->b)));

	return (size_t)(hash ^ hash >> 32) & peers->mask;
}

static bool
key_eq(const struct http_peer_key *a, const struct http_peer_key *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static bool
is_nobody(const struct http_peer_key *key)
{
	static const struct http_peer_key nobody;

	return key_eq(key, &nobody);
}

struct http_peers *
http_peers_open(const struct http_limits *limits)
{
	struct http_peers *peers = handle_new(sizeof(*peers));
	size_t             size = 16;

	while (size < (size_t)limits->connections_max * 2)
		size *= 2;
	peers->mask = size - 1;
	peers->per_peer_max = limits->connections_per_peer_max;
	peers->held_max = limits->held_max;
	peers->held_per_peer_max = limits->held_per_peer_max;
	peers->slots = calloc(size, sizeof(*peers->slots));
	MUST(peers->slots != NULL);
	MUST(pthread_mutex_init(&peers->lock, NULL) == 0);
	return peers;
}

void
http_peers_close(struct http_peers **peers)
{
	if (!*peers)
		return;
	(void)pthread_mutex_destroy(&(*peers)->lock);
	free((*peers)->slots);
	free(*peers);
	*peers = NULL;
}

/* The slot of that key, or the free one where it belongs. */
static size_t
find(const struct http_peers *peers, const struct http_peer_key *key)
{
	size_t at = home_of(peers, key);

	while (peers->slots[at].count && !key_eq(&peers->slots[at].key, key))
		at = (at + 1) & peers->mask;
	return at;
}

/* Closes the gap at `free_at`, so that no search stops short of a key behind it. */
static void
close_gap(struct http_peers *peers, size_t free_at)
{
	for (size_t at = (free_at + 1) & peers->mask; peers->slots[at].count; at = (at + 1) & peers->mask) {
		size_t home = home_of(peers, &peers->slots[at].key);

		if (((at - home) & peers->mask) < ((at - free_at) & peers->mask))
			continue;
		peers->slots[free_at] = peers->slots[at];
		peers->slots[at].count = 0;
		free_at = at;
	}
}

bool
http_peers_enter(struct http_peers *peers, const struct http_peer_key *key)
{
	struct slot *slot;
	bool         entered;

	if (is_nobody(key))
		return true;
	MUST(pthread_mutex_lock(&peers->lock) == 0);
	slot = &peers->slots[find(peers, key)];
	entered = slot->count < peers->per_peer_max;
	if (entered) {
		slot->key = *key;
		slot->count++;
	}
	MUST(pthread_mutex_unlock(&peers->lock) == 0);
	return entered;
}

void
http_peers_leave(struct http_peers *peers, const struct http_peer_key *key)
{
	size_t at;

	if (is_nobody(key))
		return;
	MUST(pthread_mutex_lock(&peers->lock) == 0);
	at = find(peers, key);
	MUST(peers->slots[at].count > 0);
	if (--peers->slots[at].count == 0)
		close_gap(peers, at);
	MUST(pthread_mutex_unlock(&peers->lock) == 0);
}

/* Whom a Unix socket serves is counted among all, but has no limit of its own. */
static size_t *
held_by(struct http_peers *peers, const struct http_peer_key *key)
{
	struct slot *slot = &peers->slots[find(peers, key)];

	if (is_nobody(key))
		return NULL;
	MUST(slot->count > 0);
	return &slot->held;
}

bool
http_peers_lend(struct http_peers *peers, const struct http_peer_key *key, size_t bytes, enum http_share share)
{
	size_t *held;
	bool    lent;

	MUST(pthread_mutex_lock(&peers->lock) == 0);
	held = held_by(peers, key);
	lent = share == HTTP_SHARE_OWED || (peers->held + bytes <= peers->held_max / 4 * share &&
	                                    (!held || *held + bytes <= peers->held_per_peer_max / 4 * share));
	if (lent) {
		peers->held += bytes;
		if (held)
			*held += bytes;
	}
	MUST(pthread_mutex_unlock(&peers->lock) == 0);
	return lent;
}

void
http_peers_give_back(struct http_peers *peers, const struct http_peer_key *key, size_t bytes)
{
	size_t *held;

	MUST(pthread_mutex_lock(&peers->lock) == 0);
	held = held_by(peers, key);
	MUST(bytes <= peers->held && (!held || bytes <= *held));
	peers->held -= bytes;
	if (held)
		*held -= bytes;
	MUST(pthread_mutex_unlock(&peers->lock) == 0);
}

uint64_t
http_peers_held(struct http_peers *peers)
{
	uint64_t held;

	MUST(pthread_mutex_lock(&peers->lock) == 0);
	held = peers->held;
	MUST(pthread_mutex_unlock(&peers->lock) == 0);
	return held;
}
