/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/auth/fixture.h"

static struct caller
caller_with(bool is_app, const char *grants)
{
	return (struct caller){ .tenant = guid_of(TID),
		                .oid = guid_of(OID),
		                .app = STR_EMPTY,
		                .is_app = is_app,
		                .grants = str_from_c(grants) };
}

static bool
may(bool is_app, const char *grants, enum right right, const char *owner)
{
	struct caller caller = caller_with(is_app, grants);
	struct guid   whose = guid_of(owner);
	enum err      err = caller_may(&caller, right, &whose);

	assert_true(err == OK || err == ERR_NOT_ALLOWED);
	return err == OK;
}

/*
 * Which right each gives, in the order of enum right: calendars read and write, recordings read and write, a
 * meeting's, own, oneself (which every user has), users.
 */
static const struct {
	const char *grant;
	bool        user[RIGHT_COUNT], app[RIGHT_COUNT];
} table[] = {
	{ "Calendars.Read", { 1, 0, 0, 0, 0, 0, 1 }, { 1, 0, 0, 0 } },
	{ "Calendars.ReadBasic", { 1, 0, 0, 0, 0, 0, 1 }, { 1, 0, 0, 0 } },
	{ "Calendars.ReadBasic.All", { 0, 0, 0, 0, 0, 0, 1 }, { 1, 0, 0, 0 } },
	{ "Calendars.ReadWrite", { 1, 1, 0, 0, 0, 0, 1 }, { 1, 1, 0, 0 } },
	{ "OnlineMeetingRecording.Read.All", { 0, 0, 0, 0, 0, 1, 1 }, { 0, 0, 1, 0, 1, 1 } },
	{ "OnlineMeetingRecording.Read.Chat", { 0, 0, 0, 0, 0, 0, 1 }, { 0, 0, 0, 0, 1, 0 } },
	{ "OnlineMeetingRecording.ReadWrite.All", { 0, 0, 0, 0, 0, 0, 1 }, { 0, 0, 0, 1 } },
	{ "User.Read", { 0, 0, 0, 0, 0, 0, 1, 1 }, { 0 } },
	{ "User.ReadBasic.All", { 0, 0, 0, 0, 0, 0, 1, 1 }, { 0, 0, 0, 0, 0, 0, 0, 1 } },
	{ "Directory.Read.All", { 0, 0, 0, 0, 0, 0, 1, 1 }, { 0, 0, 0, 0, 0, 0, 0, 1 } },
	{ "", { 0, 0, 0, 0, 0, 0, 1 }, { 0 } },
	{ " ", { 0, 0, 0, 0, 0, 0, 1 }, { 0 } },
	{ "Calendars", { 0, 0, 0, 0, 0, 0, 1 }, { 0 } },
	{ "Calendars.Rea", { 0, 0, 0, 0, 0, 0, 1 }, { 0 } },
	{ "Calendars.ReadX", { 0, 0, 0, 0, 0, 0, 1 }, { 0 } },
	{ "XCalendars.Read", { 0, 0, 0, 0, 0, 0, 1 }, { 0 } },
	{ "Calendars.Read,Calendars.ReadWrite", { 0, 0, 0, 0, 0, 0, 1 }, { 0 } },
	{ "Calendars.Read.Shared", { 0, 0, 0, 0, 0, 0, 1 }, { 0 } },
	{ "*", { 0, 0, 0, 0, 0, 0, 1 }, { 0 } },
	{ "User.Read Mail.ReadWrite", { 0, 0, 0, 0, 0, 0, 1, 1 }, { 0 } },
	{ "calendars.READ", { 1, 0, 0, 0, 0, 0, 1 }, { 1, 0, 0, 0 } },
	{ "  User.Read   Calendars.Read  ", { 1, 0, 0, 0, 0, 0, 1, 1 }, { 1, 0, 0, 0 } },
};

static void
test_rights__a_grant_gives_its_rights_and_no_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (int right = 0; right < RIGHT_COUNT; right++) {
			if (may(false, table[i].grant, (enum right)right, OID) != table[i].user[right] ||
			    may(true, table[i].grant, (enum right)right, OID) != table[i].app[right] ||
			    may(true, table[i].grant, (enum right)right, OID_OTHER) != table[i].app[right])
				fail_msg("right %d under '%s' is judged wrongly", right, table[i].grant);
		}
	}
}

static void
test_rights__a_user_reaches_nobody_elses_data_without_a_permission_for_everyone(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (int right = 0; right < RIGHT_COUNT; right++)
			assert_int_equal(may(false, table[i].grant, (enum right)right, OID_OTHER),
			                 right == RIGHT_USERS_READ && strstr(table[i].grant, ".All") &&
			                         table[i].user[RIGHT_USERS_READ]);
	}
}

static void
test_rights__every_right_has_a_row_of_its_own(void **state)
{
	(void)state;
	for (int right = 0; right < RIGHT_COUNT; right++) {
		const struct right_row *row = right_row((enum right)right);

		assert_int_equal(row->right, right);
		assert_true(row->calls && row->calls[0]);
		assert_true(row->application && (row->application[0] || right == RIGHT_ME_READ));
		assert_non_null(row->delegated);
	}
	assert_string_equal(right_row(RIGHT_CALENDARS_READ)->delegated[0], "Calendars.ReadBasic");
	assert_null(right_row(RIGHT_RECORDINGS_READ)->delegated[0]);
	assert_null(right_row(RIGHT_RECORDINGS_WRITE)->delegated[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights__a_grant_gives_its_rights_and_no_other),
		cmocka_unit_test(test_rights__a_user_reaches_nobody_elses_data_without_a_permission_for_everyone),
		cmocka_unit_test(test_rights__every_right_has_a_row_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
