/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter — $filter and $orderby over calendars, as far as Graph's clients really use them.  Private to the face room.
 *
 *   name eq 'x' · name ne 'x' · startswith(name,'x') · flag eq true · flag ne false · flag
 *   joined by and, or, not and brackets; 'and' binds tighter than 'or'.
 *
 * Names compare as Exchange compares them, letter case of A–Z aside.  Everything else is refused with
 * the place and what could be said instead.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "face/shape.h"

#define FILTER_DEPTH_MAX 16

struct filter;                           /* lives in the arena */

/* ERR_BAD_REQUEST, with a sentence in *why_out. */
enum err filter_read(struct str text, bool beta, struct arena *arena, const struct filter **filter_out,
                     struct str *why_out) MUST_CHECK;
/* `key`: the folded name, as calendar_name_key() gives it. */
bool     filter_holds(const struct filter *filter, struct str key, const struct calendar *calendar);

/* "name", "name asc", "name desc"; anything else is ERR_BAD_REQUEST. */
enum err order_read(struct str text, bool *descending_out) MUST_CHECK;
