/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runs — how many random histories a law goes through: TIDEMARK_RUNS if it is set; else the usual number, three times it
 * with TIDEMARK_FULL (script/test --full) and twenty times it with TIDEMARK_LONG (script/test --long).
 */
#pragma once

#include <stdlib.h>

#include "base/str.h"

static inline uint64_t
runs_of(uint64_t usual)
{
	const char *text = getenv("TIDEMARK_RUNS");
	uint64_t    number;

	if (text && str_to_u64(str_from_c(text), &number) && number > 0)
		return number;
	if (getenv("TIDEMARK_LONG"))
		return usual * 20;
	return getenv("TIDEMARK_FULL") ? usual * 3 : usual;
}
