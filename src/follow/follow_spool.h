/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_spool — pages that were fetched but may not be stored yet, in a file.  Private to the follow module.
 *
 * It outlives the process, not the machine: nothing is synced, and what is not whole is not there.  Each page has its
 * stretch of the file by its number in the round; a page takes the stretch of the one FOLLOW_SPOOL_PAGES before it.
 */
#pragma once

#include "base/buf.h"
#include "follow/follow_source.h"

#define FOLLOW_SPOOL_PAGES 32

struct follow_spool;

/* Pages an earlier process left are found until their stretch is taken.  ERR_IO. */
enum err follow_spool_open(const char *path, struct follow_spool **spool_out) MUST_CHECK;
void     follow_spool_close(struct follow_spool **spool, bool is_needed); /* the file goes, too, unless it is */

enum err follow_spool_put(struct follow_spool *spool, const struct follow_position *position, struct str link,
                          struct str body) MUST_CHECK;
/* ERR_NOT_FOUND.  Once it was taken it is no longer there. */
enum err follow_spool_take(struct follow_spool *spool, const struct follow_position *position, struct str link,
                           struct buf *body_out) MUST_CHECK;
