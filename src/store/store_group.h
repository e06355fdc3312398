/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_group — transactions of one thread, one after the other, which one commit makes durable.  One that fails or is
 * aborted is undone alone.  store_commit() makes none durable: answer no client before store_group_commit() returns
 * OK.  Until then only later transactions of the group see what one wrote.
 *
 * The first store_group_begin() waits for the write lock, and the group keeps it until store_group_close(): until then
 * the thread must not call store_begin().  A group belongs to one thread.
 */
#pragma once

#include "store/store.h"

struct store_group;

struct store_group *store_group_open(struct store *store); /* never NULL */
struct store_txn   *store_group_begin(struct store_group *group, const struct store_op *op, struct arena *arena);
/* As store_commit(), for all transactions that returned OK. No more can begin. Call it once. */
enum err store_group_commit(struct store_group *group) MUST_CHECK;
/* Does the store's maintenance and passes the write lock on. A group that was not committed is rolled back. */
void store_group_close(struct store_group **group);
