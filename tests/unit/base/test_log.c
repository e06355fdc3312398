/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

/* A socket that keeps each write apart from the next. */
struct ends {
	int        fds[2];
	struct log log;
};

static int64_t
one_moment(void *ctx)
{
	(void)ctx;
	return INT64_C(1785499199987) * 1000000;
}

static const struct clock moment = { NULL, one_moment, one_moment };

static void
open_ends(struct ends *ends)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends->fds), 0);
	ends->log = (struct log){ .fd = ends->fds[0], .level = LOG_INFO, .clock = &moment };
}

static void
close_ends(struct ends *ends)
{
	(void)close(ends->fds[0]);
	(void)close(ends->fds[1]);
}

/* The next write, as a string; the empty one if there is none. */
static const char *
next_write(const struct ends *ends, char text[8192])
{
	ssize_t got = recv(ends->fds[1], text, 8191, MSG_DONTWAIT);

	text[got > 0 ? got : 0] = '\0';
	return text;
}

static void
test_log__writes_a_line_that_values_cannot_forge(void **state)
{
	struct ends ends;
	char        text[8192];

	(void)state;
	open_ends(&ends);
	LOG_EVENT(&ends.log, LOG_WARN, "seen", { "plain", STR("a b~") }, { "sly", STR("q\"\\\n\x7f\xc3\xa9z") },
	          { "none", STR_EMPTY });
	assert_string_equal(
		next_write(&ends, text),
		"{\"time\":\"2026-07-31T11:59:59.987Z\",\"level\":\"warn\",\"event\":\"seen\",\"plain\":\"a b~\","
		"\"sly\":\"q\\\"\\\\\\u000a\\u007f\\u00c3\\u00a9z\",\"none\":\"\"}\n");
	LOG_EVENT(&ends.log, LOG_DEBUG, "not told", { "x", STR("y") });
	assert_string_equal(next_write(&ends, text), "");
	close_ends(&ends);
}

/* Sixteen values of control bytes, six bytes each when escaped, are six times what a line may hold. */
static void
test_log__long_values_are_cut_and_never_lose_the_line(void **state)
{
	struct log_pair pairs[17] = { { 0 } };
	struct ends     ends;
	char            text[8192], value[300];

	(void)state;
	open_ends(&ends);
	memset(value, '\n', sizeof(value));
	for (size_t i = 0; i < 16; i++)
		pairs[i] = (struct log_pair){ "name", str_of(value, sizeof(value)) };
	pairs[0] = (struct log_pair){ "who", STR("ada") };
	log_event(&ends.log, LOG_INFO, "audit", pairs);
	assert_non_null(strstr(next_write(&ends, text), "\"event\":\"audit\",\"who\":\"ada\",\"name\":\"\\u000a"));
	assert_true(strlen(text) <= LOG_WRITE_MAX && text[strlen(text) - 1] == '\n');
	assert_non_null(strstr(text, "\\u000a\\u2026\"}\n"));

	/* The 256th byte is the first half of a character. */
	memset(value, 'a', sizeof(value));
	memcpy(value + 255, "\xc3\xa9", 2);
	LOG_EVENT(&ends.log, LOG_INFO, "cut", { "value", str_of(value, sizeof(value)) });
	assert_non_null(strstr(next_write(&ends, text), "a\\u2026\"}\n"));
	assert_null(strstr(text, "\\u00c3"));
	close_ends(&ends);
}

static void
add(struct log_lines *lines, const char *number)
{
	char                  filling[200];
	const struct log_pair pairs[] = {
		{ "number", str_from_c(number) },
		{ "filling", str_of(filling, sizeof(filling)) },
		{ NULL, STR_EMPTY },
	};

	memset(filling, 'f', sizeof(filling));
	log_lines_add(lines, LOG_INFO, "line", pairs);
}

/* Forty lines are more than one write may hold: none is divided, none is lost, and they are in order. */
static void
test_log_lines__go_out_together_and_whole(void **state)
{
	struct log_lines lines;
	struct ends      ends;
	char             text[8192], number[16], wanted[32];
	int              writes = 0, seen = 0;

	(void)state;
	open_ends(&ends);
	log_lines_open(&lines, &ends.log);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(number, sizeof(number), "%d", i);
		add(&lines, number);
	}
	log_lines_flush(&lines);
	log_lines_flush(&lines);
	while (next_write(&ends, text)[0]) {
		size_t len = strlen(text);

		writes++;
		assert_true(len <= LOG_WRITE_MAX && text[0] == '{' && text[len - 1] == '\n');
		for (const char *at = text; *at; at = strchr(at, '\n') + 1) {
			(void)snprintf(wanted, sizeof(wanted), "\"number\":\"%d\"", seen++);
			assert_non_null(strstr(at, wanted));
			assert_true(strstr(at, wanted) < strchr(at, '\n'));
		}
	}
	assert_int_equal(seen, 40);
	assert_in_range(writes, 3, 5);
	log_lines_open(&lines, NULL);
	add(&lines, "nowhere");
	log_lines_flush(&lines);
	close_ends(&ends);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log__writes_a_line_that_values_cannot_forge),
		cmocka_unit_test(test_log__long_values_are_cut_and_never_lose_the_line),
		cmocka_unit_test(test_log_lines__go_out_together_and_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
