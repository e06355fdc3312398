/* SPDX-License-Identifier: Apache-2.0 */
/* http_acceptor — accepts connections and gives each to the loop that has the fewest. */
#pragma once

#include "http/http_listen.h"
#include "http/http_loop.h"

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
