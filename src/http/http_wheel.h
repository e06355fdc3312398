/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_wheel — deadlines of many connections, where moving one later costs a store.
 *
 * A timer stands in the slot of some moment at or before its deadline.  When the wheel comes to
 * that slot it looks: due timers are handed out, the others go to a later slot.  So a deadline that
 * is pushed back with every request is touched by the wheel once a minute, and a timer that
 * waits does nothing at all.  Deadlines are met up to one tick late.
 */
#pragma once

#include <stdint.h>

#include "http/http_list.h"

#define HTTP_WHEEL_SLOTS   1024
#define HTTP_WHEEL_TICK_MS 64
#define HTTP_WHEEL_NEVER   INT64_MAX

struct http_timer {
	struct http_link link;
	int64_t          deadline_ms;
	int64_t          tick; /* of the slot it stands in */
};

struct http_wheel {
	struct http_link slots[HTTP_WHEEL_SLOTS];
	uint64_t         used[HTTP_WHEEL_SLOTS / 64];
	int64_t          tick; /* the next to be looked at */
	struct http_link due;  /* of the tick looked at last, still to be judged */
};

void http_wheel_open(struct http_wheel *wheel, int64_t now_ms);
/* The timer's struct is zeroed before its first use.  HTTP_WHEEL_NEVER rests it. */
void http_wheel_put(struct http_wheel *wheel, struct http_timer *timer, int64_t deadline_ms);
void http_wheel_remove(struct http_wheel *wheel, struct http_timer *timer);
/* A timer that is due, taken out; NULL when there is no more.  One that is put back into the past comes again a tick later. */
struct http_timer *http_wheel_take(struct http_wheel *wheel, int64_t now_ms);
/* How long there is surely nothing to take; -1 when there is no timer. */
int http_wheel_wait_ms(const struct http_wheel *wheel, int64_t now_ms);
