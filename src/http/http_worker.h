/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_worker — what the threads do that make answers which may block.
 *
 * A worker makes one answer after the other.  The thread of the groups (http_app) takes what waits until nothing waits
 * or the group is full; then the group is settled and all of its answers go out together.  So a group is as large as
 * the crowd that came while the one before was under way.
 */
#pragma once

#include "http/http_queue.h"

#define HTTP_QUEUE_PER_WORKER 16u
/* A longer body would keep the rest of its group waiting while it is read: such a request takes a worker. */
#define HTTP_GROUP_BODY_MAX ((size_t)16 * 1024)

void http_workers_open(struct http_queue *workers, unsigned workers_max, const struct http_app *app);
/* Not opened if the application has no groups. */
void http_groups_open(struct http_queue *groups, unsigned workers_max, const struct http_app *app);
