/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#include "base/buf.h"
#include "resource/family.h"
#include "resource/resource.h"

static void
test_family__is_found_by_the_path_of_the_url(void **state)
{
	static const char *const rows[][2] = {
		{ "/v1.0/users/delta", "users" },
		{ "/beta/groups/delta()?$select=id", "groups" },
		{ "/v1.0/groups/microsoft.graph.delta()", "groups" },
		{ "/v1.0/contacts/delta", "orgContacts" },
		{ "/v1.0/me/contactFolders/f/contacts/delta", "contacts" },
		{ "/v1.0/me/mailFolders/f/messages/delta", "messages" },
		{ "/v1.0/me/mailFolders('AA==')/messages/delta", "messages" },
		{ "/v1.0/teams/t/channels/19:a@thread/messages/delta", "chatMessages" },
		{ "/v1.0/teams/t/channels/c/messages/m/replies/delta", "chatMessages" },
		{ "/v1.0/users/u/chats/getAllMessages/delta", "chatMessages" },
		{ "/v1.0/users/u/chats/microsoft.graph.getAllMessages()/delta", "chatMessages" },
		{ "/v1.0/me/calendarView/delta?startDateTime=x", "events" },
		{ "/v1.0/me/calendars/delta", "calendars" },
		{ "/v1.0/me/todo/lists/delta", "todoLists" },
		{ "/v1.0/me/todo/lists/l/tasks/delta", "tasks" },
		{ "/v1.0/sites/s/lists/delta", "lists" },
		{ "/v1.0/sites/s/lists/l/items/delta", "listItems" },
		{ "/v1.0/drives/d/list/items/delta", "listItems" },
		{ "/v1.0/me/drive/root/delta(token='x')", "driveItems" },
		{ "/v1.0/drives/d/root/delta", "driveItems" },
		{ "/v1.0/drives/d/items/i/delta", "driveItems" },
		{ "/v1.0/me/drive/root:/Documents:/delta", "driveItems" },
		{ "/v1.0/me/drive/special/approot/delta", "driveItems" },
		{ "/v1.0/me/planner/all/delta", "planner" },
		{ "/v1.0/sites/delta", "sites" },
		{ "/v1.0/users/u/onlineMeetings/getAllTranscripts(meetingOrganizerUserId='u')/delta", "transcripts" },
		{ "/v1.0/users/u/onlineMeetings/getAllRecordings(meetingOrganizerUserId='u')/delta", "recordings" },
		{ "/v1.0/things/delta", "unknown" },
		{ "/delta", "unknown" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char url[256];

		(void)snprintf(url, sizeof(url), "https://graph.example.com%s", rows[i][0]);
		if (strcmp(family_of_url(str_from_c(url))->collection, rows[i][1]) != 0)
			fail_msg("%s: %s", rows[i][0], family_of_url(str_from_c(url))->collection);
	}
}

static void
test_family__each_row_is_whole_and_of_one_name(void **state)
{
	(void)state;
	for (const struct resource *row = family_next(NULL); row; row = family_next(row)) {
		assert_true(row->number == 0 && row->columns && row->columns[0].name && row->identity[0] &&
		            row->page_size);
		assert_ptr_equal(resource_of_collection(str_from_c(row->collection)), row);
		assert_ptr_equal(resource_of_type(str_from_c(row->odata_type)), row);
	}
}

/* A remote chooses the ids, and whoever follows the URL its query: the memory grows with both, and no faster. */
static void
test_family__the_url_of_an_item_takes_memory_as_it_is_long(void **state)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)256 << 10);
	AUTO(buf_close) struct buf      url = { 0 };
	struct str                      link;

	(void)state;
	buf_open(&url, (size_t)32 << 10);
	buf_put(&url, STR("https://a/v1.0/users/delta?x=1"));
	for (int i = 0; i < 3000; i++)
		buf_put(&url, STR("&$select="));
	assert_int_equal(buf_err(&url), OK);
	assert_true(family_item_url(buf_str(&url), STR("1/2"), arena, &link));
	assert_true(str_starts(link, STR("https://a/v1.0/users/1%2F2?$select=&$select=")));
	assert_int_equal(link.len, strlen("https://a/v1.0/users/1%2F2") + 3000 * strlen("&$select="));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_family__is_found_by_the_path_of_the_url),
		cmocka_unit_test(test_family__each_row_is_whole_and_of_one_name),
		cmocka_unit_test(test_family__the_url_of_an_item_takes_memory_as_it_is_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
