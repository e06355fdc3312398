/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_spool — a file of pages that are perhaps not stored yet.  Private to the follow module.
 *
 * The file survives a kill, not a power cut: nothing is synced, and a page that is not whole does not count.  A page's
 * number in the round decides its place in the file, so it overwrites the page FOLLOW_SPOOL_PAGES before it.
 */
#pragma once

#include "base/buf.h"
#include "follow/follow_source.h"

#define FOLLOW_SPOOL_PAGES 32

struct follow_spool;

/* Pages of an earlier process are found until they are overwritten.  ERR_IO. */
enum err follow_spool_open(const char *path, struct follow_spool **spool_out) MUST_CHECK;
void     follow_spool_close(struct follow_spool **spool, bool is_needed); /* removes the file unless it is needed */

enum err follow_spool_put(struct follow_spool *spool, const struct follow_position *position, struct str link,
                          struct str body) MUST_CHECK;
/* Takes a page out of the file.  ERR_NOT_FOUND. */
enum err follow_spool_take(struct follow_spool *spool, const struct follow_position *position, struct str link,
                           struct buf *body_out) MUST_CHECK;
