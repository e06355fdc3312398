/* SPDX-License-Identifier: Apache-2.0 */
/* store_url — what a postgresql: URL must look like, and what of it people may read.  libpq reads the rest. */
#pragma once

#include "base/arena.h"
#include "base/str.h"

bool store_url_is_postgresql(struct str url);
/* NULL, or the end of the sentence "… is not …", for a postgresql: URL. */
const char *store_url_fault(struct str url);
/* The URL without its passwords.  The URL has no fault. */
struct str store_url_shown(struct str url, struct arena *arena);
