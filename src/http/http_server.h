/* SPDX-License-Identifier: Apache-2.0 */
/* http_server — what all threads of a server share. */
#pragma once

#include <stdatomic.h>

#include "http/http_group.h"
#include "http/http_listen.h"
#include "http/http_loop.h"
#include "http/http_peers.h"
#include "http/http_tls.h"
#include "http/http_worker.h"

#define HTTP_LOOPS_MAX 16u

struct http_server {
	struct http_app      app;
	struct http_limits   limits;             /* no zero left in it */
	const struct clock  *clock;
	const struct log    *log;
	struct http_listener listener;
	struct http_tls     *tls;                /* NULL: plain */
	struct http_peers   *peers;
	struct http_workers *workers;
	struct http_groups  *groups;             /* NULL: the application has none */
	struct http_loop    *loops[HTTP_LOOPS_MAX];
	unsigned             loop_count;

	int                  wake_fd;            /* wakes the door */
	bool                 exhausted;          /* the door has told the log so */
	atomic_bool          stopping;
	atomic_bool          full;               /* the door waits for a connection to end */
	atomic_uint          open;
	_Atomic uint64_t     accepted, refused;
};

/*
 * Gives an exchange whose answer may block to the threads it is for, and takes it from the caller: *exchange becomes
 * NULL, and it comes back through http_loop_give_back().  False: too many wait there; the caller still has it.
 */
bool http_server_put(struct http_server *server, struct http_exchange **exchange);
void http_server_conn_ended(struct http_server *server, const struct http_peer_key *key);
