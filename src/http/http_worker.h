/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_worker — threads for answers that may block.
 *
 * A thread is started when an exchange comes and none is free, up to the maximum; beyond that
 * exchanges wait in a queue, and when that is full they are turned away.
 */
#pragma once

#include "http/http_exchange.h"

#define HTTP_QUEUE_PER_WORKER 16u

struct http_workers;

struct http_workers *http_workers_open(unsigned workers_max, const struct http_app *app);
/* False: the queue is full.  Else the exchange comes back through http_thread_give_back(). */
bool     http_workers_put(struct http_workers *workers, struct http_exchange *exchange);
unsigned http_workers_busy(const struct http_workers *workers);
/* Answers what waits, then ends the threads. */
void http_workers_close(struct http_workers **workers);
