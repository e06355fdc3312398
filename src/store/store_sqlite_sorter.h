/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in the order of their keys.  Private to the store module.
 *
 * Its memory is bounded: the records are sorted in runs, which lie in a temporary file of SQLite.  Whoever uses it can
 * find the records elsewhere, too, but not as fast: a fault of that file loses records, and is no error.
 */
#pragma once

#include "base/str.h"

struct sorter;

struct sorter *sorter_open(void); /* never NULL */
void           sorter_put(struct sorter *sorter, int64_t key, struct str bytes);
void           sorter_sort(struct sorter *sorter); /* no record is put after it */

/* The record that is next; false at the end.  *bytes_out is a view until the next call. */
bool sorter_next(const struct sorter *sorter, int64_t *key_out, struct str *bytes_out);
void sorter_pass(struct sorter *sorter);
/* Passes the records before that key. */
bool sorter_find(struct sorter *sorter, int64_t key, struct str *bytes_out);

void sorter_close(struct sorter **sorter);
