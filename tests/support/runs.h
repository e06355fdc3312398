/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runs — how many random histories a law goes through: TIDEMARK_RUNS if it is set; else the usual number, three times
 * it with TIDEMARK_FULL (script/test --full) and twenty times it with TIDEMARK_LONG (script/test --long).  The first
 * seed is TIDEMARK_SEED if it is set.
 */
#pragma once

#include <stdlib.h>

#include "base/str.h"

/* The number in that variable of the environment; 0 if there is none. */
static inline uint64_t
runs_number_in(const char *variable)
{
	uint64_t number;

	return str_to_u64(str_from_c(getenv(variable)), &number) ? number : 0;
}

/* Where folders of a run are made: a run that is killed leaves nothing if its TMPDIR is removed. */
static inline const char *
runs_folder(void)
{
	return getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
}

static inline uint64_t
runs_of(uint64_t usual)
{
	uint64_t number = runs_number_in("TIDEMARK_RUNS");

	if (number > 0)
		return number;
	if (getenv("TIDEMARK_LONG"))
		return usual * 20;
	return getenv("TIDEMARK_FULL") ? usual * 3 : usual;
}

static inline uint64_t
runs_seed(uint64_t usual)
{
	return getenv("TIDEMARK_SEED") ? runs_number_in("TIDEMARK_SEED") : usual;
}
