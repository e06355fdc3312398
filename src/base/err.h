/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err — the only list of ways in which things fail, and the few macros that every module uses.
 *
 * A row tells who has to act, not where it happened.  A function that can fail
 * returns `enum err` and names in its header the one, two, at most three codes
 * to expect.  Text about a failure is kept in the object that failed, never here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ERR_TABLE(X) \
	X(OK, "done") \
	X(ERR_BAD_REQUEST, "the input cannot be understood; it must be mended") \
	X(ERR_BAD_TOKEN, "a state token is unreadable or belongs elsewhere") \
	X(ERR_GONE, "the reader is too late; it must start a new round") \
	X(ERR_NO_IDENTITY, "the caller is not known; credentials are needed") \
	X(ERR_NOT_ALLOWED, "the caller is known and may not") \
	X(ERR_NOT_FOUND, "no such thing") \
	X(ERR_CONFLICT, "something of that name is already there") \
	X(ERR_STALE, "the thing has changed since the caller last saw it") \
	X(ERR_TOO_LARGE, "a stated limit is passed") \
	X(ERR_BUSY, "temporarily not possible; try again") \
	X(ERR_LOCKED, "another run holds it") \
	X(ERR_FULL, "no space is left on the device") \
	X(ERR_CORRUPT, "the store is damaged") \
	X(ERR_FOREIGN, "the file is not one this program can use") \
	X(ERR_IO, "the operating system refused an operation") \
	X(ERR_UNSURE, "whether the write took effect is unknown") \
	X(ERR_UP_REFUSED, "the remote refused") \
	X(ERR_UP_GARBLED, "the remote sent what cannot be understood")

enum err {
#define X(name, text) name,
	ERR_TABLE(X)
#undef X
};

/* The row's sentence, for logs and messages. */
const char *err_text(enum err err);

#define MUST_CHECK              __attribute__((warn_unused_result))
#define AUTO(close)             __attribute__((cleanup(close)))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* Defines a function for AUTO(). */
#define CLOSER(name, type, free_fn) \
	static void name(type **at) \
	{ \
		free_fn(*at); \
		*at = NULL; \
	}

/* With TRY_CODE() of the commands the only macros that return. */
#define TRY(call) \
	do { \
		enum err try_err_ = (call); \
		if (try_err_ != OK) \
			return try_err_; \
	} while (0)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0])) /* of an array, not of a pointer */

/* A bug, not an error: also in release builds it ends the process and prints the line. */
#define MUST(cond) \
	do { \
		if (__builtin_expect(!(cond), 0)) \
			must_fail(__FILE__, __LINE__, #cond); \
	} while (0)

__attribute__((noreturn, cold)) void must_fail(const char *file, int line, const char *what);

/* Memory of a handle, all zero, until its close function calls free().  Without memory the process ends. */
void *handle_new(size_t size) __attribute__((malloc, returns_nonnull));
