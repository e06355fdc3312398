/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals — SIGTERM and SIGINT to be asked for, so that a command ends where it is safe.
 *
 * From signals_open() to signals_close() the signals are blocked. A command works in small steps and asks between them.
 * All threads that were started meanwhile may ask, and sleep.
 *
 * Part of a process that takes its signals itself has signals_open_inner(): signals_raise() is what comes.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/clock.h"

struct signals {
	int        fd;
	atomic_int signal; /* the first one; 0: none yet */
	bool       is_inner;
};

void signals_open(struct signals *signals);
void signals_open_inner(struct signals *signals);
void signals_raise(struct signals *signals); /* as SIGTERM; on any thread */
void signals_close(struct signals *signals);
bool signals_came(void *signals); /* also as a callback */
/* Sleeps until the time is over or a signal comes. */
void signals_sleep(struct signals *signals, const struct clock *clock, int64_t ms);
int  signals_code(const struct signals *signals); /* 130 or 143 */
