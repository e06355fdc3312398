/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random — a source of random bytes that seldom asks the source behind it.
 *
 * A request needs forty random bytes, and asking the kernel for them twice costs about a fifth of an answer.
 * The pool reads a kilobyte at a time.  It returns each byte once and wipes it from its memory at once,
 * so bytes that were returned cannot be read back.  Shared by all threads: several pools, each with a lock, keep them
 * from waiting for each other.  Do not use it across fork(2).
 */
#pragma once

#include "base/clock.h"

struct random_pool;

struct random_pool *random_pool_open(const struct entropy *source); /* borrowed */
void                random_pool_close(struct random_pool **pool);
struct entropy      random_pool_entropy(struct random_pool *pool);
