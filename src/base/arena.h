/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena — memory named by its lifetime.
 *
 * Whatever belongs to one request (or one page, one line of input) is taken from
 * that request's arena and freed all at once by arena_reset().  So nothing is freed by hand or
 * twice.  But a loop that takes from an arena without a reset grows: give such a loop an arena of its own.
 *
 * arena_take() never returns NULL.  Every input has a bound, so an arena's limit is
 * computed from those bounds.  Passing the limit is a bug and ends the process, as does a
 * machine that is out of memory.  An arena belongs to one thread at a time.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct arena;

struct arena *arena_open(size_t limit_bytes);   /* never NULL */
void          arena_reset(struct arena *arena); /* keeps the first chunk for the next use */
void          arena_close(struct arena **arena);

void *arena_take(struct arena *arena, size_t size);     /* zeroed, aligned for any type */
char *arena_take_raw(struct arena *arena, size_t size); /* not zeroed, byte aligned */

struct str  arena_copy(struct arena *arena, struct str s);
const char *arena_c(struct arena *arena, struct str s); /* copy with a NUL; MUST hold no NUL */
struct str  arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct str  arena_vprintf(struct arena *arena, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

size_t arena_used(const struct arena *arena);
