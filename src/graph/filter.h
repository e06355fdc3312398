/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter — $filter and $orderby over the properties of a resource, as far as Graph's clients use them.
 * Private to the graph module.
 *
 *   text eq 'x' · text ne 'x' · startswith(text,'x') · flag eq true · flag ne false · flag
 *   joined by and, or, not and brackets; 'and' binds tighter than 'or'.
 *
 * The descriptor says which properties may be named.  Texts are compared without regard to the letter case of A–Z, as
 * Exchange compares names.  Everything else is an error that names the position and what is allowed.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "resource/resource.h"

#define FILTER_DEPTH_MAX 16

struct filter; /* lives in the arena */

/* ERR_BAD_REQUEST, with a sentence in *why_out. */
enum err filter_read(const struct resource *resource, struct str text, bool beta, struct arena *arena,
                     const struct filter **filter_out, struct str *why_out) MUST_CHECK;
/* `arena` holds the texts that are compared. */
bool filter_holds(const struct filter *filter, const struct values *values, struct arena *arena);

/* "name", "name asc" or "name desc" of a row that may be sorted by; else ERR_BAD_REQUEST, with a sentence. */
enum err order_read(const struct resource *resource, struct str text, bool beta, struct arena *arena, size_t *row_out,
                    bool *descending_out, struct str *why_out) MUST_CHECK;
