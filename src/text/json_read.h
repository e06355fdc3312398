/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_read — JSON from outside as a tree of values, read once and strictly.
 *
 * The tree is made from what json_check() reports, so its rules hold here too.  Two more: no more than
 * JSON_BYTES_MAX bytes and JSON_TOKENS_MAX values (ERR_TOO_LARGE), and every number must fit
 * (integers: int64, reals: finite double; ERR_BAD_REQUEST).
 *
 * A tree is read-only and owned by whoever called json_read().  It lives until json_drop(), but no longer
 * than the text it was read from: names, texts and raw values may be views of that text.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "text/json_check.h"

#define JSON_TOKENS_MAX 100000
#define JSON_BYTES_MAX  ((size_t)64 << 20)

/* A value; also a whole tree, when it is the root. */
struct json {
	struct str   name;         /* of a member; empty for an element and the root */
	struct str   raw;          /* as written */
	struct str   text;         /* what a string stands for */
	struct json *first, *next; /* inside it and after it, in the order written */
	void        *memory;       /* private */
};

enum json_kind { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };

/* why_out (may be NULL) gets one sentence, from `arena`: what is wrong and at which byte, counted from 1. */
enum err json_read(struct str text, struct arena *arena, struct json **root_out, struct str *why_out) MUST_CHECK;
void     json_drop(struct json **root); /* NULL is fine; for AUTO() */

enum json_kind json_kind(const struct json *value); /* JSON_NULL when there is no value */
const char    *json_kind_name(enum json_kind kind); /* "a string", "an object", … */

/* NULL if `object` is NULL, is no object, or has no such member: calls can be nested. */
const struct json *json_member(const struct json *object, const char *name);
/* False when the value is NULL or of another kind; *out is then untouched. */
bool json_text(const struct json *value, struct str *out);
bool json_bool(const struct json *value, bool *out);
bool json_int(const struct json *value, int64_t *out);

/* The first member or element; NULL for what has none.  To walk them: for (v = json_first(o); v; v = v->next) */
const struct json *json_first(const struct json *container);
size_t             json_count(const struct json *container); /* walks them all; 0 for what has none */
