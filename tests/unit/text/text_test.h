/* SPDX-License-Identifier: Apache-2.0 */
/* text_test — what the tests of this module share: cmocka, an arena per test, comparing views, watching a MUST fail. */
#pragma once

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#define ARENA_LIMIT ((size_t)16 << 20)

static inline int
arena_for_test(void **state)
{
	*state = arena_open(ARENA_LIMIT);
	return 0;
}

static inline int
arena_end_test(void **state)
{
	struct arena *arena = *state;

	arena_close(&arena);
	return 0;
}

#define TEST_WITH_ARENA(function) cmocka_unit_test_setup_teardown(function, arena_for_test, arena_end_test)

#define assert_text(got, wanted) \
	do { \
		struct str got_ = (got), wanted_ = (wanted); \
		if (!str_eq(got_, wanted_)) \
			fail_msg("got '%.*s', wanted '%.*s'", STR_ARG(got_), STR_ARG(wanted_)); \
	} while (0)

/* True when `deed` ends its process by abort(), as a MUST does. */
static inline bool
aborts(void (*deed)(void))
{
	int   status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		(void)!freopen("/dev/null", "w", stderr);
		deed();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
