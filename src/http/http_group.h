/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_group — the thread that makes the answers of a group (http_app).
 *
 * It takes what waits, one exchange after the other, until nothing waits or the group is full;
 * then the group is settled and all of its answers go out together.  So a group is as large as the
 * crowd that came while the one before was under way.
 */
#pragma once

#include "http/http_exchange.h"

/* A longer body would keep the rest of its group waiting while it is read: such a request takes a worker. */
#define HTTP_GROUP_BODY_MAX ((size_t)16 * 1024)

struct http_groups;

/* NULL: the application has no groups. */
struct http_groups *http_groups_open(size_t queue_max, const struct http_app *app);
/* False: the queue is full.  Else the exchange comes back through http_thread_give_back(). */
bool http_groups_put(struct http_groups *groups, struct http_exchange *exchange);
/* Answers what waits, then ends the thread. */
void http_groups_close(struct http_groups **groups);
