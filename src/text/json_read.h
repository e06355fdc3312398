/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_read — JSON from outside, parsed once and strictly.
 *
 * Refused with ERR_BAD_REQUEST (RFC 8259 leaves several of these to the reader):
 * doubled member names, nesting over JSON_DEPTH_MAX, invalid UTF-8, lone surrogates,
 * \u0000, a byte order mark, bytes after the value, NaN and its kin, numbers that do
 * not fit (integers: int64, reals: finite double).  Longer than JSON_BYTES_MAX or more
 * than JSON_TOKENS_MAX values: ERR_TOO_LARGE.  The parser is jansson; the rules it does
 * not have are checked on the bytes before it sees them.
 *
 * A tree is read-only, owned by whoever called json_read(); values and texts taken
 * from it live as long as it does.  To keep a value's very bytes use json_span.h.
 * json_read_init() must be called once before threads start (hash seed).
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define JSON_DEPTH_MAX  32
#define JSON_TOKENS_MAX 100000
#define JSON_BYTES_MAX  ((size_t)64 << 20)

struct json;                 /* a value; also a whole tree, when it is the root */

enum json_kind { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };

void json_read_init(void);

/* why_out (may be NULL) gets one sentence, from `arena`: what is wrong and at which byte, counted from 1. */
enum err json_read(struct str text, struct arena *arena, struct json **root_out, struct str *why_out) MUST_CHECK;
void     json_drop(struct json **root);                                /* NULL is fine; for AUTO() */

enum json_kind json_kind(const struct json *value);                    /* JSON_NULL when there is no value */
const char    *json_kind_name(enum json_kind kind);                    /* "a string", "an object", … */

/* NULL if `object` is NULL, is no object, or has no such member: calls can be nested. */
const struct json *json_member(const struct json *object, const char *name);
/* False when the value is NULL or of another kind; *out is then untouched. */
bool json_text(const struct json *value, struct str *out);
bool json_bool(const struct json *value, bool *out);
bool json_int(const struct json *value, int64_t *out);

size_t             json_count(const struct json *array_or_object);     /* 0 for anything else */
const struct json *json_at(const struct json *array, size_t index);

/* Walks an object's members in the order written: for (it = json_first(o); it; it = json_next(o, it)). */
struct json_iter;
const struct json_iter *json_first(const struct json *object);
const struct json_iter *json_next(const struct json *object, const struct json_iter *it);
struct str              json_iter_name(const struct json_iter *it);
const struct json      *json_iter_value(const struct json_iter *it);
