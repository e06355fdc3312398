/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_span — the bytes of the members of an object, or of the elements of an array, as written.
 *
 * Works only on text that json_read() has accepted (or that json_write produced): it
 * trusts the syntax and only finds where values end.  So a number stays as it was
 * written, unknown members are kept byte for byte, and a page can be taken apart
 * without a tree.  No allocation; spans point into the text.
 */
#pragma once

#include "base/arena.h"
#include "base/str.h"

struct json_span {
	struct str name;  /* as written between the quotes, escapes and all; empty in an array */
	struct str value; /* without blanks around it */
};

/* *rest starts as the whole text of an object or array (blanks around it allowed). */
struct json_walk {
	struct str rest;
	bool       object;
	bool       started;
};

void json_walk_open(struct json_walk *walk, struct str text);
bool json_walk_next(struct json_walk *walk, struct json_span *span_out); /* false at the end */

/* The raw value of one member of an object; false if there is none.  `name` must need no escapes. */
bool json_span_member(struct str object, struct str name, struct str *value_out);

/* Does a name as written, perhaps with escapes it does not need, mean `name`? */
bool json_span_is_named(struct str raw, struct str name);

/* The text a raw string value stands for (escapes resolved; into the arena only when there are any). */
bool json_span_text(struct str raw, struct arena *arena, struct str *text_out);
