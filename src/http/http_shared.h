/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_shared — what all threads of a server share: the application, the limits, the queues for answers that may
 * block, and how many connections are open.  It knows no connection.  Safe from any thread.
 */
#pragma once

#include <stdatomic.h>

#include "http/http_peers.h"
#include "http/http_queue.h"
#include "http/http_wait.h"

struct http_tls;

struct http_shared {
	struct http_app     app;
	struct http_limits  limits; /* no zero left in it */
	const struct clock *clock;
	struct http_tls    *tls; /* NULL: plain */
	struct http_peers  *peers;
	struct http_queue   workers;
	struct http_queue   uploads; /* answers that take a body in pieces */
	struct http_queue   groups;  /* for answers made in groups, if the application has any */
	struct http_waiting waiting; /* answers that wait for a change */

	int              wake_fd; /* wakes the acceptor */
	atomic_bool      full;    /* the acceptor waits for a connection to end */
	atomic_uint      open;
	_Atomic uint64_t accepted, refused;
};

/* False: the system has no more descriptors. */
bool http_shared_open(struct http_shared *shared, const struct http_conf *conf, const struct http_app *app);
/* Answers what waits in the queues, then ends their threads. */
void http_shared_close_queues(struct http_shared *shared);
void http_shared_close(struct http_shared *shared);

/*
 * Queues an exchange whose answer may block, and takes it from the caller: *exchange becomes NULL. It comes back
 * through http_thread_give_back(). Not admitted: the caller still has it.
 */
enum http_admission http_shared_put(struct http_shared *shared, struct http_exchange **exchange);

/* For a new connection of that peer.  False: the peer has enough. */
bool http_shared_enter(struct http_shared *shared, const struct http_peer_key *key);
void http_shared_leave(struct http_shared *shared, const struct http_peer_key *key);
/* True: no connection more.  The acceptor is woken when one has ended. */
bool http_shared_is_full(struct http_shared *shared);
void http_shared_wake_acceptor(struct http_shared *shared); /* safe in a signal handler */
