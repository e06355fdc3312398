/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/seats.h"

#include <pthread.h>
#include <stdlib.h>

/* Tickets are numbered in the order of arrival. A guest runs when fewer than SEATS_MAX have an earlier ticket. */
struct guest {
	uint64_t ticket; /* 0: free */
	char     network[SEATS_NETWORK_SIZE];
};

struct seats {
	pthread_mutex_t lock;
	pthread_cond_t  left;
	uint64_t        tickets, refused;
	struct guest    guests[SEATS_GUESTS_MAX];
};

struct seats *
seats_open(void)
{
	struct seats *seats = calloc(1, sizeof(*seats));

	MUST(seats && pthread_mutex_init(&seats->lock, NULL) == 0 && pthread_cond_init(&seats->left, NULL) == 0);
	return seats;
}

void
seats_close(struct seats **seats)
{
	if (!*seats)
		return;
	(void)pthread_cond_destroy(&(*seats)->left);
	(void)pthread_mutex_destroy(&(*seats)->lock);
	free(*seats);
	*seats = NULL;
}

/* Under the lock, as all that follows. */
static unsigned
count_before(const struct seats *seats, uint64_t ticket)
{
	unsigned count = 0;

	for (size_t i = 0; i < SEATS_GUESTS_MAX; i++)
		count += seats->guests[i].ticket != 0 && seats->guests[i].ticket < ticket;
	return count;
}

static bool
is_of(const struct guest *guest, const char network[SEATS_NETWORK_SIZE])
{
	return guest->ticket != 0 && memcmp(guest->network, network, SEATS_NETWORK_SIZE) == 0;
}

/* NULL: the peer, or all, have enough. */
static struct guest *
admit(struct seats *seats, const char network[SEATS_NETWORK_SIZE])
{
	struct guest *free_one = NULL;
	unsigned      all = count_before(seats, UINT64_MAX), own = 0;

	for (size_t i = 0; i < SEATS_GUESTS_MAX; i++) {
		own += is_of(&seats->guests[i], network);
		if (seats->guests[i].ticket == 0)
			free_one = &seats->guests[i];
	}
	if (!free_one || own >= (all < SEATS_GUESTS_MAX / 2 ? SEATS_PEER_MAX : 1))
		return NULL;
	free_one->ticket = ++seats->tickets;
	memcpy(free_one->network, network, SEATS_NETWORK_SIZE);
	return free_one;
}

struct guest *
seats_enter(struct seats *seats, struct str network)
{
	char          key[SEATS_NETWORK_SIZE] = "";
	struct guest *guest;

	MUST(network.len <= sizeof(key) && pthread_mutex_lock(&seats->lock) == 0);
	if (network.len > 0)
		memcpy(key, network.at, network.len);
	guest = admit(seats, key);
	seats->refused += !guest;
	while (guest && count_before(seats, guest->ticket) >= SEATS_MAX)
		MUST(pthread_cond_wait(&seats->left, &seats->lock) == 0);
	MUST(pthread_mutex_unlock(&seats->lock) == 0);
	return guest;
}

void
seats_leave(struct seats *seats, struct guest *guest)
{
	MUST(pthread_mutex_lock(&seats->lock) == 0);
	guest->ticket = 0;
	MUST(pthread_cond_broadcast(&seats->left) == 0);
	MUST(pthread_mutex_unlock(&seats->lock) == 0);
}

void
seats_count(struct seats *seats, uint64_t *guests_out, uint64_t *refused_out)
{
	MUST(pthread_mutex_lock(&seats->lock) == 0);
	*guests_out = count_before(seats, UINT64_MAX);
	*refused_out = seats->refused;
	MUST(pthread_mutex_unlock(&seats->lock) == 0);
}
