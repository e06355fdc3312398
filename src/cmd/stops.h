/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stops — SIGTERM and SIGINT as something to be asked for, so a command ends where it is safe to end.
 *
 * From stops_open() to stops_close() the signals are held; whoever works in small steps asks between them.
 */
#pragma once

#include <stdbool.h>

#include "base/clock.h"

struct stops {
	int fd;
	int signal;                      /* that came; 0 for none */
};

void stops_open(struct stops *stops);
void stops_close(struct stops *stops);
bool stops_came(void *stops);                    /* for callbacks, too */
/* Sleeps, but not through a signal. */
void stops_sleep(struct stops *stops, const struct clock *clock, int64_t ms);
int  stops_code(const struct stops *stops);      /* 130 or 143 */
