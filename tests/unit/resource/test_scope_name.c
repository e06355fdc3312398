/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include "resource/family.h"

static void
test_scope_name__made_of_a_url_is_the_last_noun(void **state)
{
	static const char *const rows[][2] = {
		{ "https://h/beta/me/calendars/delta", "calendars" },
		{ "https://h/beta/me/calendars/delta()?$deltatoken=x/y", "calendars" },
		{ "https://h/beta/me/calendars/microsoft.graph.delta()/", "calendars" },
		{ "https://h/v1.0/users/a/onlineMeetings/getAllRecordings(meetingOrganizerUserId='a')/delta",
		  "recordings" },
		{ "https://h/v1.0/users/delta", "users" },
		{ "https://h/delta", "items" },
		{ "https://h", "items" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str got = scope_name_of_url(str_from_c(rows[i][0]));

		if (!str_eq(got, str_from_c(rows[i][1])))
			fail_msg("%s: %.*s", rows[i][0], STR_ARG(got));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scope_name__made_of_a_url_is_the_last_noun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
