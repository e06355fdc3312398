/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stops — SIGTERM and SIGINT as something to be asked for, so a command ends where it is safe to end.
 *
 * From signals_open() to signals_close() the signals are held; whoever works in small steps asks between them.
 */
#pragma once

#include <stdbool.h>

#include "base/clock.h"

struct signals {
	int fd;
	int signal; /* that came; 0 for none */
};

void signals_open(struct signals *signals);
void signals_close(struct signals *signals);
bool signals_came(void *signals); /* for callbacks, too */
/* Sleeps, but not through a signal. */
void signals_sleep(struct signals *signals, const struct clock *clock, int64_t ms);
int  signals_code(const struct signals *signals); /* 130 or 143 */
