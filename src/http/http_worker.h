/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_worker — the threads that make answers which may block.
 *
 * A worker makes one slice of an answer after the other; most answers are one slice.  Uploads have workers of their
 * own, so those that write to the disk of the content stop nobody else.  The thread of the groups (http_app) takes
 * waiting exchanges until none waits or the group is full.  Then it commits the group, and all of its answers are sent
 * together.  So a group is as large as the number of requests that came during the one before.
 */
#pragma once

#include "http/http_queue.h"

#define HTTP_QUEUE_PER_WORKER 16u
/* A longer body would delay its group while it is read: such a request gets a worker. */
#define HTTP_GROUP_BODY_MAX ((size_t)16 * 1024)

void http_workers_open(struct http_queue *workers, const struct http_limits *limits, const struct http_app *app);
void http_uploads_open(struct http_queue *uploads, const struct http_limits *limits, const struct http_app *app);
/* Not opened if the application has no groups. */
void http_groups_open(struct http_queue *groups, const struct http_limits *limits, const struct http_app *app);
