/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_wait — exchanges whose answers wait for a change (HTTP_WAITS).
 *
 * They belong to their loop, which keeps them in lists by topic and in a wheel by time. Another thread that changes a
 * topic raises the topic's moment and leaves a bit for each loop that has somebody waiting for it; it takes no lock,
 * and its work does not grow with their number. An exchange enters its list before it compares the moment, and the
 * moment rises before the bit is looked for. So no change is missed.
 */
#pragma once

#include <stdatomic.h>

#include "http/http_exchange.h"
#include "http/http_peers.h"
#include "http/http_queue.h"

#define HTTP_TOPICS     32768u
#define HTTP_WAIT_LISTS 1024u

/* What all loops share. */
struct http_waiting {
	struct http_peers *callers; /* how many each caller has */
	unsigned           count_max;
	atomic_uint        count;
	_Atomic uint64_t   throttled;
	_Atomic uint32_t   moments[HTTP_TOPICS];
};

/* What one loop has. */
struct http_waits {
	struct http_waiting *waiting;
	struct http_link     lists[HTTP_WAIT_LISTS]; /* by topic */
	struct http_link     ready;                  /* to be called now */
	struct http_wheel    wheel;
	unsigned             count;
	bool                 stale; /* one may be of another generation than this */
	uint64_t             generation;
	int64_t              checked_ms;

	/* By any thread. */
	_Atomic uint64_t wanted[HTTP_TOPICS / 64]; /* somebody may wait for it here */
	_Atomic uint64_t changed[HTTP_TOPICS / 64];
	atomic_bool      any_changed;
};

void http_waiting_open(struct http_waiting *waiting, const struct http_limits *limits);
/* Counts it in the limits until http_waits_end(). */
enum http_admission http_waiting_admit(struct http_waiting *waiting, struct http_exchange *exchange);
/* By any thread: first this, then http_waits_changed() of each loop. True: the loop is to be woken. */
void http_waiting_changed(struct http_waiting *waiting, uint32_t topic);
bool http_waits_changed(struct http_waits *waits, uint32_t topic);

/* The rest is for the loop's thread. */
void http_waits_open(struct http_waits *waits, struct http_waiting *waiting, int64_t now_ms);
void http_waits_put(struct http_waits *waits, struct http_exchange *exchange, bool at_once);
/* It does not wait any more and is not counted; fine if it never was. */
void http_waits_end(struct http_waits *waits, struct http_exchange *exchange);
/* It, or all, are to be called now. */
void http_waits_ask(struct http_waits *waits, struct http_exchange *exchange);
void http_waits_ask_all(struct http_waits *waits);
/* Finds those whose topic has changed or whose time has come. */
void http_waits_look(struct http_waits *waits, int64_t now_ms);
/* Once in half a second, while anybody waits: those of another generation than this are to be called. */
bool http_waits_check_is_due(struct http_waits *waits, int64_t now_ms);
void http_waits_check(struct http_waits *waits, uint64_t generation);
/* The next one to be called, in the order in which they became so; NULL: none. */
struct http_exchange *http_waits_take(struct http_waits *waits);
/* How long there is surely nothing to do; -1: for ever. */
int http_waits_wait_ms(const struct http_waits *waits, int64_t now_ms);
