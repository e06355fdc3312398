/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_share — what the runs of several threads share: the replica, and a credential.
 *
 * One lock belongs to all.  A thread holds it during its run, and with it the replica; it lets go of it only while it
 * waits for the network, for the credential, or for time to pass.  So a page is staged, and a round is settled, by one
 * thread at a time, and the requests of the others go on meanwhile.  A page is parsed before the lock is taken again.
 *
 * The lock, the credential and the pause of a host belong to the program, and outlive all threads.  A struct
 * follow_share, its source, its bearer and its secrets belong to the thread that opened it.
 */
#pragma once

#include <pthread.h>

#include "follow/follow.h"
#include "follow/follow_source.h"

struct follow_credential { /* `inner` is called by one thread at a time */
	pthread_mutex_t     lock;
	struct fetch_bearer inner;
};

struct follow_share_conf {
	pthread_mutex_t            *lock;       /* held by the caller of everything here */
	const struct follow_source *source;     /* the thread's own */
	struct follow_credential   *credential; /* NULL: none */
	const struct follow_pause  *pause;      /* of the host */
	int64_t                     max_wait_ms;
	const struct clock         *clock;
	bool (*stopped)(void *ctx);
	void *stopped_ctx;
};

struct follow_share;

struct follow_share *follow_share_open(const struct follow_share_conf *conf); /* never NULL */
void                 follow_share_close(struct follow_share **share);
struct follow_source follow_share_source(struct follow_share *share);
struct fetch_bearer  follow_share_bearer(struct follow_share *share);
