/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "graph/steps.h"

/* Also as an item of a batch, which has no server that would set the field. */
static void
test_answer__whoever_may_send_it_again_is_told_when(void **state)
{
	static const enum graph_error errors[] = { GRAPH_THROTTLED, GRAPH_BUSY, GRAPH_LATE, GRAPH_FULL, GRAPH_BROKEN };
	struct graph                  graph = { .parts.clock = &clock_system };

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(errors); i++) {
		AUTO(http_resp_close) struct http_resp *resp = http_resp_open((size_t)1 << 16);
		struct call call = { .graph = &graph, .resp = resp, .by_server = i % 2 != 0 };
		bool        busy = error_row(errors[i / 2])->status == 429 || errors[i / 2] == GRAPH_BUSY;

		answer_error(&call, errors[i / 2]);
		assert_int_equal(http_resp_get_field(resp, "Retry-After").len, busy && !call.by_server);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_answer__whoever_may_send_it_again_is_told_when) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
