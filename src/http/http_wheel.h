/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_wheel — deadlines of many connections, where moving one later costs one store of a number.
 *
 * A timer is in the slot of a tick at or before its deadline.  When the wheel reaches
 * that slot, timers that are due are returned, the others move to a later slot.  So the wheel touches a deadline
 * that every request moves once a minute, and a timer that waits costs nothing.
 * A deadline is met at most one tick late.
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
	int64_t          tick; /* of its slot */
};

struct http_wheel {
	struct http_link slots[HTTP_WHEEL_SLOTS];
	uint64_t         used[HTTP_WHEEL_SLOTS / 64];
	int64_t          tick; /* the next to be looked at */
	struct http_link due;  /* of the last tick, still to be checked */
};

void http_wheel_open(struct http_wheel *wheel, int64_t now_ms);
/* Zero the timer's struct before its first use. HTTP_WHEEL_NEVER: no deadline. */
void http_wheel_put(struct http_wheel *wheel, struct http_timer *timer, int64_t deadline_ms);
void http_wheel_remove(struct http_wheel *wheel, struct http_timer *timer);
/*
 * Takes a timer that is due; NULL when there is none. One that is put back with a deadline in the past comes again a
 * tick later.
 */
struct http_timer *http_wheel_take(struct http_wheel *wheel, int64_t now_ms);
/* How long there is surely nothing to take; -1 when there is no timer. */
int http_wheel_wait_ms(const struct http_wheel *wheel, int64_t now_ms);
