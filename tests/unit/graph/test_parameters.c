/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph/parameters.h"

#define ID    "8b081ef6-4792-4def-b2c9-c363a1bf41d5"
#define START INT64_C(1705276800000000000) /* 2024-01-15T00:00:00Z */
#define END   INT64_C(1705363200000000000) /* 2024-01-16T00:00:00Z */

/* Different ways to write the parameters. */
static const struct {
	const char *text, *query;
	const char *organizer;  /* NULL: none */
	int64_t     start, end; /* 0: none */
	bool        aliased;
} good[] = {
	{ "meetingOrganizerUserId='" ID "'", "", ID, 0, 0, false },
	{ " meetingOrganizerUserId='" ID "' ", "", ID, 0, 0, false },
	{ "meetingOrganizerUserId = '" ID "'", "", ID, 0, 0, false },
	{ "meetingOrganizerUserId=\t'" ID "'", "", ID, 0, 0, false },
	{ "meetingorganizeruserid='" ID "'", "", ID, 0, 0, false },
	{ "MEETINGORGANIZERUSERID='" ID "'", "", ID, 0, 0, false },
	{ "meetingOrganizerUserId=" ID, "", ID, 0, 0, false },
	{ "meetingOrganizerUserId='it''s'", "", "it's", 0, 0, false },
	{ "meetingOrganizerUserId=''''", "", "'", 0, 0, false },
	{ "meetingOrganizerUserId='a,b'", "", "a,b", 0, 0, false },
	{ "meetingOrganizerUserId='a=b'", "", "a=b", 0, 0, false },
	{ "meetingOrganizerUserId='a)b('", "", "a)b(", 0, 0, false },
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-01-15T00:00:00Z", "", ID, START, 0, false },
	{ "meetingOrganizerUserId='" ID "', startDateTime=2024-01-15T00:00:00Z", "", ID, START, 0, false },
	{ "meetingOrganizerUserId='" ID "' , startDateTime = 2024-01-15T00:00:00Z", "", ID, START, 0, false },
	{ "startDateTime=2024-01-15T00:00:00Z,meetingOrganizerUserId='" ID "'", "", ID, START, 0, false },
	{ "endDateTime=2024-01-16T00:00:00Z,meetingOrganizerUserId='" ID "'", "", ID, 0, END, false },
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-01-15T00:00:00Z,endDateTime=2024-01-16T00:00:00Z", "", ID,
	  START, END, false },
	{ "endDateTime=2024-01-16T00:00:00Z , startDateTime=2024-01-15T00:00:00Z , meetingOrganizerUserId='" ID "'", "",
	  ID, START, END, false },
	{ "meetingOrganizerUserId='" ID "',startDateTime='2024-01-15T00:00:00Z'", "", ID, START, 0, false },
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-01-15T00:00:00.000Z", "", ID, START, 0, false },
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-01-15T00:00:00.0000000Z", "", ID, START, 0, false },
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-01-15T02:00:00+02:00", "", ID, START, 0, false },
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-01-14T19:00:00-05:00", "", ID, START, 0, false },
	{ "meetingOrganizerUserId='" ID "',STARTDATETIME=2024-01-15t00:00:00z", "", ID, START, 0, false },
	/* as Java and Python write dates, and what a form's blank does to a zone */
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-01-15T00:00Z", "", ID, START, 0, false },
	{ "meetingOrganizerUserId='" ID "',startDateTime='2024-01-15T02:00+02:00'", "", ID, START, 0, false },
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-01-15T00:00:00+00:00Z", "", ID, START, 0, false },
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-01-15T02:00:00 02:00", "", ID, START, 0, false },
	{ "meetingOrganizerUserId=@p,startDateTime=@s", "@p='" ID "'&@s=2024-01-15T02:00%2B02:00", ID, START, 0, true },
	{ "meetingOrganizerUserId='@meetingOrganizerUserId',startDateTime=@startDateTime",
	  "MEETINGORGANIZERUSERID=" ID "&StartDateTime=2024-01-15T02:00:00+02:00", ID, START, 0, true },
	/* a missing parameter is no error here */
	{ "", "", NULL, 0, 0, false },
	{ "   ", "", NULL, 0, 0, false },
	{ "startDateTime=2024-01-15T00:00:00Z", "", NULL, START, 0, false },
	/* aliases as OData has them */
	{ "meetingOrganizerUserId=@p", "@p='" ID "'", ID, 0, 0, true },
	{ "meetingOrganizerUserId=@p", "@p=%27" ID "%27", ID, 0, 0, true },
	{ "meetingOrganizerUserId=@p", "%40p='" ID "'", ID, 0, 0, true },
	{ "meetingOrganizerUserId=@p", "x=1&@p='" ID "'&y=2", ID, 0, 0, true },
	{ "meetingOrganizerUserId=@p", "@p=" ID, ID, 0, 0, true },
	{ "meetingOrganizerUserId=@p,startDateTime=@s", "@p='" ID "'&@s=2024-01-15T00:00:00Z", ID, START, 0, true },
	{ "meetingOrganizerUserId=@p,startDateTime=@s,endDateTime=@e",
	  "@p='" ID "'&@s=2024-01-15T00:00:00Z&@e=2024-01-16T00:00:00Z", ID, START, END, true },
	{ "meetingOrganizerUserId=@p,startDateTime=@p2", "@p2=2024-01-15T00%3A00%3A00Z&@p='" ID "'", ID, START, 0,
	  true },
	{ "meetingOrganizerUserId=@p,startDateTime=@s", "@p='" ID "'&@s=2024-01-15T02:00:00+02:00", ID, START, 0,
	  true },
	{ "meetingOrganizerUserId=@p,startDateTime=@s", "@p='" ID "'", ID, 0, 0, true },
	{ "meetingOrganizerUserId=@p,startDateTime=@s", "@p='" ID "'&@s=", ID, 0, 0, true },
	{ "meetingOrganizerUserId=@p,startDateTime=@s", "@p='" ID "'&@s=null", ID, 0, 0, true },
	{ "meetingOrganizerUserId=@p", "", NULL, 0, 0, true },
	{ "meetingOrganizerUserId=@p", "@P='" ID "'", NULL, 0, 0, true },
	/* the broken aliases of Microsoft's Kiota clients, with all three parameters in the path whatever was given */
	{ "meetingOrganizerUserId='@meetingOrganizerUserId',startDateTime=@startDateTime,endDateTime=@endDateTime",
	  "meetingOrganizerUserId=" ID, ID, 0, 0, true },
	{ "meetingOrganizerUserId='@meetingOrganizerUserId',startDateTime=@startDateTime,endDateTime=@endDateTime",
	  "endDateTime=2024-01-16T00:00:00Z&meetingOrganizerUserId=" ID "&startDateTime=2024-01-15T00:00:00Z", ID,
	  START, END, true },
	{ "meetingOrganizerUserId='@meetingOrganizerUserId',startDateTime=@startDateTime,endDateTime=@endDateTime",
	  "meetingOrganizerUserId=" ID "&startDateTime=2024-01-15T00%3A00%3A00%2B00%3A00", ID, START, 0, true },
	{ "meetingOrganizerUserId='@meetingOrganizerUserId'", "@meetingOrganizerUserId='" ID "'", ID, 0, 0, true },
	/* the name with '@' counts before the one without */
	{ "meetingOrganizerUserId=@p", "p=other&@p='" ID "'", ID, 0, 0, true },
	{ "meetingOrganizerUserId='@p'", "p='" ID "'", ID, 0, 0, true },
};

static const struct {
	const char *text, *query, *why; /* part of the sentence */
} bad[] = {
	{ "organizer='" ID "'", "", "no parameter 'organizer'" },
	{ "meetingOrganizerUserId='" ID "',top=5", "", "no parameter 'top'" },
	{ "'" ID "'", "", "no parameter" },
	{ ID, "", "no parameter" },
	{ "meetingOrganizerUserId='" ID "',meetingOrganizerUserId='" ID "'", "", "more than once" },
	{ "meetingOrganizerUserId='" ID "',MeetingOrganizerUserId='" ID "'", "", "more than once" },
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-01-15T00:00:00Z,startDateTime=2024-01-15T00:00:00Z", "",
	  "more than once" },
	{ "meetingOrganizerUserId", "", "has no value" },
	{ "meetingOrganizerUserId=", "", "is empty" },
	{ "meetingOrganizerUserId=''", "", "is empty" },
	{ "meetingOrganizerUserId='" ID, "", "closing quote" },
	{ "meetingOrganizerUserId='it's'", "", "divided by commas" },
	{ "meetingOrganizerUserId=it's", "", "malformed" },
	{ "meetingOrganizerUserId=" ID "'", "", "malformed" },
	{ "meetingOrganizerUserId='" ID "',", "", "no parameter" },
	{ ",meetingOrganizerUserId='" ID "'", "", "no parameter" },
	{ "meetingOrganizerUserId='" ID "',,startDateTime=2024-01-15T00:00:00Z", "", "no parameter" },
	{ "meetingOrganizerUserId='" ID "' startDateTime=2024-01-15T00:00:00Z", "", "divided by commas" },
	{ "meetingOrganizerUserId='" ID "';startDateTime=2024-01-15T00:00:00Z", "", "divided by commas" },
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-01-15", "", "must be a moment" },
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-01-15T00:00:00", "", "must be a moment" },
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-13-15T00:00:00Z", "", "must be a moment" },
	{ "meetingOrganizerUserId='" ID "',startDateTime=yesterday", "", "must be a moment" },
	{ "meetingOrganizerUserId='" ID "',startDateTime=2024-01-15 00:00:00Z", "", "must be a moment" },
	{ "meetingOrganizerUserId=" ID " x", "", "malformed" },
	{ "meetingOrganizerUserId='" ID "',endDateTime='2024-01-15'", "", "must be a moment" },
	{ "meetingOrganizerUserId='" ID "',startDateTime=@s", "@s=yesterday", "must be a moment" },
	{ "meetingOrganizerUserId=@p", "@p='" ID "'&@p='" ID "'", "more than once" },
	{ "meetingOrganizerUserId=@p", "@p='" ID, "malformed" },
	{ "meetingOrganizerUserId=@p", "@p='" ID "'x", "malformed" },
	{ "meetingOrganizerUserId=@p", "@p=%zz", "percent-encoded" },
	{ "meetingOrganizerUserId='@p'", "p='" ID "'&p='" ID "'", "more than once" },
};

static void
test_parameters__spellings_that_mean_the_same_are_read_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct arena     *arena = arena_open((size_t)1 << 16);
		struct parameters parameters;
		struct str        why = STR_EMPTY;

		if (parameters_read(str_from_c(good[i].text), str_from_c(good[i].query), arena, &parameters, &why) !=
		    OK)
			fail_msg("(%s)?%s: %.*s", good[i].text, good[i].query, STR_ARG(why));
		if (parameters.has_organizer != (good[i].organizer != NULL) ||
		    (parameters.has_organizer && !str_eq(parameters.organizer, str_from_c(good[i].organizer))) ||
		    parameters.has_start != (good[i].start != 0) ||
		    (parameters.has_start && parameters.start_ns != good[i].start) ||
		    parameters.has_end != (good[i].end != 0) ||
		    (parameters.has_end && parameters.end_ns != good[i].end) || parameters.aliased != good[i].aliased)
			fail_msg("(%s)?%s is misread", good[i].text, good[i].query);
		arena_close(&arena);
	}
}

static bool
holds(struct str text, const char *part)
{
	struct str wanted = str_from_c(part);

	for (size_t i = 0; i + wanted.len <= text.len; i++)
		if (str_starts(str_skip(text, i), wanted))
			return true;
	return false;
}

static void
test_parameters__what_is_malformed_unknown_or_doubled_is_refused_with_a_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct arena     *arena = arena_open((size_t)1 << 16);
		struct parameters parameters;
		struct str        why = STR_EMPTY;

		if (parameters_read(str_from_c(bad[i].text), str_from_c(bad[i].query), arena, &parameters, &why) !=
		    ERR_BAD_REQUEST)
			fail_msg("(%s)?%s is taken", bad[i].text, bad[i].query);
		if (!holds(why, bad[i].why))
			fail_msg("(%s)?%s: %.*s", bad[i].text, bad[i].query, STR_ARG(why));
		arena_close(&arena);
	}
}

/* A good text is cut at every byte: nothing is read past its end (the sanitizer checks). */
static void
test_parameters__no_cut_text_is_read_past_its_end(void **state)
{
	static const char text[] =
		"meetingOrganizerUserId='a''b', startDateTime=@s ,endDateTime='2024-01-16T00:00:00Z'";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		struct arena     *arena = arena_open((size_t)1 << 16);
		char             *copy = arena_take_raw(arena, len + 1);
		struct parameters parameters;
		struct str        why = STR_EMPTY;

		memcpy(copy, text, len);
		if (parameters_read(str_of(copy, len), STR("@s=1"), arena, &parameters, &why) != OK)
			assert_true(why.len > 0);
		arena_close(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parameters__spellings_that_mean_the_same_are_read_the_same),
		cmocka_unit_test(test_parameters__what_is_malformed_unknown_or_doubled_is_refused_with_a_reason),
		cmocka_unit_test(test_parameters__no_cut_text_is_read_past_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
