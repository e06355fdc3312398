/* SPDX-License-Identifier: Apache-2.0 */
#include "text_test.h"

#include "text/date.h"

#define NS       ((int64_t)1000000000)
#define FIRST_NS (INT64_C(-9214560000) * NS) /* 1678-01-01T00:00:00Z */

static int64_t
parsed(const char *text)
{
	int64_t ns = 0;

	if (!date_parse(str_from_c(text), &ns))
		fail_msg("'%s' should be a date", text);
	return ns;
}

static void
test_date__known_moments_are_read(void **state)
{
	(void)state;
	assert_int_equal(parsed("1970-01-01T00:00:00Z"), 0);
	assert_int_equal(parsed("2024-01-15T00:00:00Z"), 1705276800 * NS);
	assert_int_equal(parsed("2000-02-29T23:59:59Z"), 951868799 * NS);
	assert_int_equal(parsed("1969-12-31T23:59:59.9Z"), -NS / 10);
	assert_int_equal(parsed("2001-09-09T01:46:40z"), 1000000000 * NS);
	assert_int_equal(parsed("2001-09-09t01:46:40.000000001Z"), 1000000000 * NS + 1);
	assert_int_equal(parsed("2023-04-10T08:13:18.5736174Z"), 1681114398 * NS + 573617400);
}

static void
test_date__offsets_are_taken_off(void **state)
{
	(void)state;
	assert_int_equal(parsed("1970-01-01T01:00:00+01:00"), 0);
	assert_int_equal(parsed("1969-12-31T16:00:00-08:00"), 0);
	assert_int_equal(parsed("1970-01-01T05:45:00+05:45"), 0);
	assert_int_equal(parsed("1970-01-01T23:59:00+23:59"), 0);
	assert_int_equal(parsed("1970-01-01T00:00:00-00:00"), 0);
	assert_int_equal(parsed("2024-02-29T00:30:00+01:00"), parsed("2024-02-28T23:30:00Z"));
}

static void
test_date__malformed_dates_are_refused_and_leave_no_trace(void **state)
{
	static const char *const bad[] = {
		"",
		"2024",
		"2024-01-15",
		"2024-01-15T00:00Z",
		"2024-01-15T00:00:00",
		"2024-01-15 00:00:00Z",
		"2024-1-15T00:00:00Z",
		"2024-01-5T00:00:00Z",
		"2024-01-15T0:00:00Z",
		"2024-01-15T00:00:00.Z",
		"2024-01-15T00:00:00.1234567890Z",
		"2024-01-15T00:00:00,5Z",
		"2024-01-15T00:00:00ZZ",
		"2024-01-15T00:00:00Z ",
		" 2024-01-15T00:00:00Z",
		"2024-01-15T00:00:00+1:00",
		"2024-01-15T00:00:00+0100",
		"2024-01-15T00:00:00+01",
		"2024-01-15T00:00:00+01:60",
		"2024-01-15T00:00:00+24:00",
		"2024-01-15T00:00:00+01:0",
		"2024-01-15T00:00:00 01:00",
		"2024-01-15T00:00:00UTC",
		"2024-00-15T00:00:00Z",
		"2024-13-15T00:00:00Z",
		"2024-01-00T00:00:00Z",
		"2024-01-32T00:00:00Z",
		"2024-04-31T00:00:00Z",
		"2024-01-15T24:00:00Z",
		"2024-01-15T00:60:00Z",
		"2024-01-15T00:00:61Z",
		"-024-01-15T00:00:00Z",
		"+2024-01-15T00:00:00Z",
		"12024-01-15T00:00:00Z",
		"2024-01-15T00:00:-1Z",
		"2024-01-15T00:00:0\xc2\xb2Z",
		"0000-01-01T00:00:00Z",
		"9999-12-31T23:59:59Z",
		"2024-01-15T00:00:00.1.2Z",
		"'2024-01-15T00:00:00Z'",
		"2024-W03-1T00:00:00Z",
		"20240115T000000Z",
		"2024-01-15T00:00:00.5",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t ns = 42;

		if (date_parse(str_from_c(bad[i]), &ns))
			fail_msg("'%s' should be refused", bad[i]);
		assert_int_equal(ns, 42);
	}
	assert_false(date_parse(str_of("2024-01-15T00:00:00Z\0", 21), &(int64_t){ 0 }));
}

static void
test_date__a_url_may_spell_a_moment_in_more_ways(void **state)
{
	static const struct {
		const char *text, *same;
	} good[] = {
		{ "2024-01-15T02:00:30Z", "2024-01-15T02:00:30Z" },
		{ "2024-01-15T02:00Z", "2024-01-15T02:00:00Z" },
		{ "2024-01-15t02:00z", "2024-01-15T02:00:00Z" },
		{ "2024-01-15T02:00+02:00", "2024-01-15T00:00:00Z" },
		{ "2024-01-15T02:00 02:00", "2024-01-15T00:00:00Z" },
		{ "2024-01-15T02:00:00 02:00", "2024-01-15T00:00:00Z" },
		{ "2024-01-15T02:00:00-02:00", "2024-01-15T04:00:00Z" },
		{ "2024-01-15T02:00:00.5 02:00", "2024-01-15T00:00:00.5Z" },
		{ "2024-01-15T02:00:00.123456789012Z", "2024-01-15T02:00:00.123456789Z" },
		{ "2024-01-15T02:00:00+00:00Z", "2024-01-15T02:00:00Z" },
		{ "2024-01-15T02:00:00 02:00Z", "2024-01-15T00:00:00Z" },
	};
	static const char *const bad[] = {
		"2024-01-15",
		"2024-01-15T02:00",
		"2024-01-15T02:00:00",
		"2024-01-15T02:00.5Z",
		"2024-01-15T02Z",
		"2024-01-15 02:00:00Z",
		"2024-01-15T02:00:00  02:00",
		"2024-01-15T02:00:00 ",
		"2024-01-15T02:00:00 Z",
		"2024-01-15T02:00:00ZZ",
		"2024-01-15T02:00:00+02:00ZZ",
		"2024-01-15T02:00:00.1234567890123Z",
		"2024-01-15T02:00:00.Z",
		"2024-01-15T02:00: 0Z",
		"yesterday",
		"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int64_t ns = 42;

		if (!date_parse_url(str_from_c(good[i].text), &ns) || ns != parsed(good[i].same))
			fail_msg("'%s' is misread", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t ns = 42;

		if (date_parse_url(str_from_c(bad[i]), &ns) || ns != 42)
			fail_msg("'%s' should be refused", bad[i]);
	}
}

static void
test_date__february_has_a_29th_in_leap_years_alone(void **state)
{
	int64_t ns;

	(void)state;
	assert_true(date_parse(STR("2024-02-29T00:00:00Z"), &ns));
	assert_true(date_parse(STR("2000-02-29T00:00:00Z"), &ns));
	assert_true(date_parse(STR("1680-02-29T00:00:00Z"), &ns));
	assert_false(date_parse(STR("2023-02-29T00:00:00Z"), &ns));
	assert_false(date_parse(STR("1900-02-29T00:00:00Z"), &ns));
	assert_false(date_parse(STR("2100-02-29T00:00:00Z"), &ns));
	assert_false(date_parse(STR("2024-02-30T00:00:00Z"), &ns));
	assert_int_equal(parsed("2024-03-01T00:00:00Z") - parsed("2024-02-28T00:00:00Z"), 2 * 86400 * NS);
	assert_int_equal(parsed("2100-03-01T00:00:00Z") - parsed("2100-02-28T00:00:00Z"), 86400 * NS);
}

static void
test_date__a_leap_second_counts_as_the_second_before(void **state)
{
	int64_t ns;

	(void)state;
	assert_int_equal(parsed("2016-12-31T23:59:60Z"), parsed("2016-12-31T23:59:59Z"));
	assert_int_equal(parsed("2016-12-31T23:59:60.25Z"), parsed("2016-12-31T23:59:59.25Z"));
	assert_int_equal(parsed("2015-07-01T01:59:60+02:00"), parsed("2015-06-30T23:59:59Z"));
	assert_int_equal(parsed("1990-12-31T15:59:60-08:00"), parsed("1990-12-31T23:59:59Z"));
	assert_false(date_parse(STR("2016-12-31T23:58:60Z"), &ns));
	assert_false(date_parse(STR("2016-12-30T23:59:60Z"), &ns));
	assert_false(date_parse(STR("2016-12-31T23:59:60+01:00"), &ns));
	assert_false(date_parse(STR("2016-12-31T12:00:60Z"), &ns));
}

static void
test_date__the_edges_of_the_range_hold_to_the_nanosecond(void **state)
{
	int64_t ns;

	(void)state;
	assert_int_equal(parsed("1678-01-01T00:00:00Z"), FIRST_NS);
	assert_int_equal(parsed("1677-12-31T23:00:00-01:00"), FIRST_NS);
	assert_int_equal(parsed("2262-04-11T23:47:16.854775807Z"), INT64_MAX);
	assert_false(date_parse(STR("1677-12-31T23:59:59.999999999Z"), &ns));
	assert_false(date_parse(STR("1678-01-01T00:59:59+01:00"), &ns));
	assert_false(date_parse(STR("2262-04-11T23:47:16.854775808Z"), &ns));
	assert_false(date_parse(STR("2262-04-11T23:47:17Z"), &ns));
	assert_false(date_parse(STR("2263-01-01T00:00:00Z"), &ns));
}

static struct str
formatted(int64_t ns, unsigned digits, char text[DATE_TEXT_MAX])
{
	return str_of(text, date_format(ns, digits, text));
}

static void
test_date__fractions_are_cut_not_rounded(void **state)
{
	static const char *const wanted[] = { "1970-01-01T00:00:00Z",          "1970-01-01T00:00:00.9Z",
		                              "1970-01-01T00:00:00.98Z",       "1970-01-01T00:00:00.987Z",
		                              "1970-01-01T00:00:00.9876Z",     "1970-01-01T00:00:00.98765Z",
		                              "1970-01-01T00:00:00.987654Z",   "1970-01-01T00:00:00.9876543Z",
		                              "1970-01-01T00:00:00.98765432Z", "1970-01-01T00:00:00.987654321Z" };
	char                     text[DATE_TEXT_MAX];

	(void)state;
	for (unsigned digits = 0; digits <= 9; digits++)
		assert_text(formatted(987654321, digits, text), str_from_c(wanted[digits]));
	assert_text(formatted(-1, 9, text), STR("1969-12-31T23:59:59.999999999Z"));
	assert_text(formatted(-1, 0, text), STR("1969-12-31T23:59:59Z"));
	assert_text(formatted(1, 7, text), STR("1970-01-01T00:00:00.0000000Z"));
	assert_text(formatted(INT64_MAX, 9, text), STR("2262-04-11T23:47:16.854775807Z"));
	assert_text(formatted(INT64_MIN, 9, text), STR("1677-09-21T00:12:43.145224192Z"));
}

static void
format_ten_digits(void)
{
	char text[DATE_TEXT_MAX];

	(void)date_format(0, 10, text);
}

static void
test_date__ten_fraction_digits_are_a_bug(void **state)
{
	(void)state;
	assert_true(aborts(format_ten_digits));
}

static void
test_date__the_bare_form_has_neither_fraction_nor_zone(void **state)
{
	char text[DATE_TEXT_MAX];

	(void)state;
	assert_text(str_of(text, date_format_bare(1739441825 * NS + 999, text)), STR("2025-02-13T10:17:05"));
}

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
test_date__what_is_formatted_is_read_back(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15u;
	char     text[DATE_TEXT_MAX];

	(void)state;
	for (int i = 0; i < 200000; i++) {
		int64_t ns = (int64_t)next_random(&seed), back;

		if (ns < FIRST_NS)
			continue;
		assert_true(date_parse(formatted(ns, 9, text), &back));
		assert_int_equal(back, ns);
		assert_true(date_parse(formatted(ns, 7, text), &back));
		assert_true(back <= ns && ns - back < 100);
	}
}

/* Counting days one by one, as a calendar on the wall does, must agree with the arithmetic. */
static void
test_date__every_day_of_the_range_follows_the_one_before(void **state)
{
	static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int              year = 1678, month = 1, day = 1;

	(void)state;
	for (int64_t ns = FIRST_NS; year < 2262; ns += 86400 * NS) {
		bool    leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
		char    wanted[64], text[DATE_TEXT_MAX];
		int     len = snprintf(wanted, sizeof(wanted), "%04d-%02d-%02dT00:00:00Z", year, month, day);
		int64_t back;

		assert_text(formatted(ns, 0, text), str_of(wanted, (size_t)len));
		assert_true(date_parse(str_of(wanted, (size_t)len), &back));
		assert_int_equal(back, ns);
		if (++day > days[month - 1] + (leap && month == 2)) {
			day = 1;
			month++;
		}
		if (month > 12) {
			month = 1;
			year++;
		}
	}
}

static void
test_date__http_dates_go_both_ways(void **state)
{
	char    text[DATE_TEXT_MAX];
	int64_t back;

	(void)state;
	assert_text(str_of(text, date_format_http(784111777 * NS, text)), STR("Sun, 06 Nov 1994 08:49:37 GMT"));
	assert_text(str_of(text, date_format_http(0, text)), STR("Thu, 01 Jan 1970 00:00:00 GMT"));
	assert_text(str_of(text, date_format_http(-1, text)), STR("Wed, 31 Dec 1969 23:59:59 GMT"));
	for (int64_t s = -9214560000 + 12345; s < 9223372036; s += 86400 * 3 + 7919) {
		assert_true(date_parse_http(str_of(text, date_format_http(s * NS + 5, text)), &back));
		assert_int_equal(back, s * NS);
	}
}

static void
test_date__other_http_dates_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
		"Mon, 06 Nov 1994 08:49:37 GMT",
		"sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun 06 Nov 1994 08:49:37 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 06 Abc 1994 08:49:37 GMT",
		"Sun, 06 Nov 94 08:49:37 GMT",
		"Xyz, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun,06 Nov 1994 08:49:37 GMT",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t ns = 42;

		if (date_parse_http(str_from_c(bad[i]), &ns))
			fail_msg("'%s' should be refused", bad[i]);
		assert_int_equal(ns, 42);
	}
	assert_false(date_parse_http(STR_EMPTY, &(int64_t){ 0 })); /* a field that did not come: no bytes at all */
}

static void
test_date__durations_have_one_unit_and_a_bound(void **state)
{
	static const struct {
		const char *text;
		int64_t     seconds;
	} good[] = {
		{ "0", 0 },
		{ "90", 90 },
		{ "90s", 90 },
		{ "15m", 900 },
		{ "12h", 43200 },
		{ "30d", 2592000 },
		{ "36525d", 3155760000 },
		{ "3155760000", 3155760000 },
		{ "876600h", 3155760000 },
	};
	static const char *const bad[] = { "",
		                           "s",
		                           "d",
		                           "-1",
		                           "+1",
		                           "1w",
		                           "1 d",
		                           " 1",
		                           "1ms",
		                           "1.5h",
		                           "36526d",
		                           "1D",
		                           "0x1",
		                           "1dd",
		                           "3155760001",
		                           "876601h",
		                           "999999999999999d",
		                           "9999999999999999" };
	int64_t                  seconds;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(date_parse_duration(str_from_c(good[i].text), &seconds));
		assert_int_equal(seconds, good[i].seconds);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		seconds = 42;
		if (date_parse_duration(str_from_c(bad[i]), &seconds))
			fail_msg("'%s' should be refused", bad[i]);
		assert_int_equal(seconds, 42);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_date__known_moments_are_read),
		cmocka_unit_test(test_date__offsets_are_taken_off),
		cmocka_unit_test(test_date__malformed_dates_are_refused_and_leave_no_trace),
		cmocka_unit_test(test_date__a_url_may_spell_a_moment_in_more_ways),
		cmocka_unit_test(test_date__february_has_a_29th_in_leap_years_alone),
		cmocka_unit_test(test_date__a_leap_second_counts_as_the_second_before),
		cmocka_unit_test(test_date__the_edges_of_the_range_hold_to_the_nanosecond),
		cmocka_unit_test(test_date__fractions_are_cut_not_rounded),
		cmocka_unit_test(test_date__ten_fraction_digits_are_a_bug),
		cmocka_unit_test(test_date__the_bare_form_has_neither_fraction_nor_zone),
		cmocka_unit_test(test_date__what_is_formatted_is_read_back),
		cmocka_unit_test(test_date__every_day_of_the_range_follows_the_one_before),
		cmocka_unit_test(test_date__http_dates_go_both_ways),
		cmocka_unit_test(test_date__other_http_dates_are_refused),
		cmocka_unit_test(test_date__durations_have_one_unit_and_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
