/* SPDX-License-Identifier: Apache-2.0 */
/* values — an object taken apart by the rows of its resource. */
#pragma once

#include "base/buf.h"
#include "resource/resource.h"

struct values {
	struct str raw[RESOURCE_PROPERTIES_MAX]; /* JSON as it was written; empty: missing */
	struct str unknown;                      /* members of no row: ,"x":1,"y":2 */
	struct str first_unknown;                /* the name of the first of them */
	struct str extended;                     /* the JSON of its extended properties (extended.h); empty: none */
};

/*
 * Takes apart an object that json_read() has accepted, and checks the value of each row.  Drops control information
 * (names with '@').  An import must bring all needed rows.  ERR_BAD_REQUEST with a sentence in *why_out.
 */
enum err resource_read_import(const struct resource *resource, struct str json, struct arena *arena,
                              struct values *values_out, struct str *why_out) MUST_CHECK;
/*
 * The same for a client's POST or PATCH (`calls`: PROPERTY_CREATE, …): no member may be unknown, the letter case of
 * names does not count, and a property that the call may not set has no value.
 */
enum err resource_read_body(const struct resource_ctx *ctx, struct str json, unsigned calls, struct values *values_out,
                            struct str *why_out) MUST_CHECK;

/*
 * The members of an object that resource_put_object() wrote when the resource had `count` rows, as views into it.  A
 * newer row gets the member of its name that an import brought, else its initial value.  False: it is not such an
 * object, and every value is empty.
 */
bool resource_read_stored(const struct resource *resource, struct str json, size_t count, struct arena *arena,
                          struct values *values_out);

/* Fails the transaction if `err` is not OK.  True: it failed. */
bool values_fail(struct store_txn *txn, enum err err);

bool values_flag(const struct values *values, size_t row);
bool values_is_null(const struct values *values, size_t row); /* or missing */
/* Empty: it is no string. */
struct str values_text(const struct values *values, size_t row, struct arena *arena);
/* The text for comparisons: A–Z in small letters. */
struct str values_folded(const struct values *values, size_t row, struct arena *arena);
struct str resource_fold(struct str text, struct arena *arena);
void       values_set_text(struct values *values, size_t row, struct str text, struct arena *arena);
void       values_set_flag(struct values *values, size_t row, bool value);
/* Gives every row without a value its initial value, if it has one. */
void values_fill(struct values *values, const struct resource *resource);

/*
 * Writes the object: the rows in order, then the unknown members.  `starts_out`, if not NULL, gets the offset of each
 * row's name, and at property_count the offset behind the last row.  A row without a value is null.
 */
void resource_put_object(struct buf *buf, const struct resource *resource, const struct values *values,
                         size_t *starts_out);
