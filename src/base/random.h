/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random — a source of random bytes that asks the source behind it seldom.
 *
 * A request needs forty random bytes, and asking the kernel for them twice costs about a fifth of an answer.
 * The pool draws a kilobyte at a time and hands it out.  Each byte is handed out once and wiped from
 * the pool in the same breath, so what was given cannot be read back from memory.  Shared by all threads; a
 * few lanes keep them out of each other's way.  Not to be carried across fork(2).
 */
#pragma once

#include "base/clock.h"

struct random_pool;

struct random_pool *random_pool_open(const struct entropy *source); /* borrowed */
void                random_pool_close(struct random_pool **pool);
struct entropy      random_pool_entropy(struct random_pool *pool);
