/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_loop — a thread that waits on the sockets of many connections (epoll) and moves them on.
 *
 * A socket is registered once, edge-triggered, for everything: nothing is re-armed.  The acceptor gives a
 * connection to a loop by registering it; its first event, "writable", comes at once and the loop takes it over.
 * After that only the loop touches it.
 */
#pragma once

#include "http/http_listen.h"
#include "http/http_thread.h"

struct http_loop;

/* NULL: the system has no more descriptors. */
struct http_loop *http_loop_open(struct http_shared *shared);
void              http_loop_close(struct http_loop **loop);
bool              http_loop_start(struct http_loop *loop);
/* Finishes what is under way, then ends the thread.  No connection may be registered any more. */
void http_loop_drain(struct http_loop *loop);
void http_loop_join(struct http_loop *loop);

/* A new connection, by the acceptor.  False: no memory for it, and the descriptor is still the caller's. */
bool     http_loop_register(struct http_loop *loop, int fd, const struct http_peer_key *key, const char *peer);
void     http_loop_topic_changed(struct http_loop *loop, uint32_t topic); /* by any thread */
unsigned http_loop_open_count(const struct http_loop *loop);              /* connections; by any thread */
const struct http_counters *http_loop_counters(const struct http_loop *loop);

/* http_acceptor — accepts connections and gives each to the loop that has the fewest. */
struct http_acceptor {
	struct http_shared  *shared;
	const struct log    *log; /* may be NULL */
	struct http_listener listener;
	struct http_loop   **loops; /* the server's */
	unsigned             loop_count;
	bool                 exhausted; /* this was logged already */
	atomic_bool          stopping;
};

/* Until http_acceptor_stop(). */
void http_acceptor_run(struct http_acceptor *acceptor);
void http_acceptor_stop(struct http_acceptor *acceptor); /* safe in a signal handler and from any thread */
