/* SPDX-License-Identifier: Apache-2.0 */
#include "text/date.h"

#include "base/err.h"

#define NS_PER_S  ((int64_t)1000000000)
#define S_PER_DAY ((int64_t)86400)
#define YEAR_MIN  1678
#define S_MAX     (36525 * S_PER_DAY) /* a hundred years */

/* A moment taken apart, proleptic Gregorian, UTC. */
struct civil {
	int64_t year, month, day;
	int64_t hour, minute, second;
};

static const char day_names[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" }; /* day 0 was one */
static const char month_names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
	                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

static int64_t
floor_div(int64_t value, int64_t by)
{
	return value / by - (value % by < 0);
}

/*
 * Days since 1970-01-01.  The year is taken to begin in March, so that the leap day is
 * its last and the months before follow the line (153 m + 2) / 5; an era is 400 years.
 */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t years = month <= 2 ? year - 1 : year;
	int64_t era = floor_div(years, 400);
	int64_t year_of_era = years - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void
set_date(int64_t days, struct civil *civil)
{
	int64_t era = floor_div(days + 719468, 146097);
	int64_t day_of_era = days + 719468 - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * day_of_year + 2) / 153;

	civil->day = day_of_year - (153 * month + 2) / 5 + 1;
	civil->month = month < 10 ? month + 3 : month - 9;
	civil->year = year_of_era + era * 400 + (civil->month <= 2);
}

static int64_t
days_in(int64_t year, int64_t month)
{
	static const int8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool                leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (leap && month == 2);
}

static bool
is_sound(const struct civil *civil)
{
	return civil->month >= 1 && civil->month <= 12 && civil->day >= 1 &&
	       civil->day <= days_in(civil->year, civil->month) && civil->hour <= 23 && civil->minute <= 59 &&
	       civil->second <= 60;
}

/* A leap second is the last second of a month in UTC; a :60 anywhere else is refused. */
static bool
ends_month(int64_t s)
{
	struct civil next;

	if (floor_div(s + 1, S_PER_DAY) * S_PER_DAY != s + 1)
		return false;
	set_date(floor_div(s + 1, S_PER_DAY), &next);
	return next.day == 1;
}

static bool
moment_of(const struct civil *civil, int64_t offset_s, int64_t fraction_ns, int64_t *ns_out)
{
	bool    leap = civil->second == 60;
	int64_t s, ns;

	if (!is_sound(civil))
		return false;
	s = days_of(civil->year, civil->month, civil->day) * S_PER_DAY + civil->hour * 3600 + civil->minute * 60 +
	    (leap ? 59 : civil->second) - offset_s;
	if (s < days_of(YEAR_MIN, 1, 1) * S_PER_DAY || (leap && !ends_month(s)))
		return false;
	if (__builtin_mul_overflow(s, NS_PER_S, &ns) || __builtin_add_overflow(ns, fraction_ns, &ns))
		return false;
	*ns_out = ns;
	return true;
}

static bool
take_digits(struct str *rest, size_t count, int64_t *value_out)
{
	int64_t value = 0;

	if (rest->len < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (rest->at[i] < '0' || rest->at[i] > '9')
			return false;
		value = value * 10 + (rest->at[i] - '0');
	}
	*rest = str_skip(*rest, count);
	*value_out = value;
	return true;
}

static bool
take_char(struct str *rest, char c)
{
	if (rest->len == 0 || rest->at[0] != c)
		return false;
	*rest = str_skip(*rest, 1);
	return true;
}

static bool
take_time(struct str *rest, struct civil *civil)
{
	return take_digits(rest, 2, &civil->hour) && take_char(rest, ':') && take_digits(rest, 2, &civil->minute) &&
	       take_char(rest, ':') && take_digits(rest, 2, &civil->second);
}

/* Nothing, or a point and one to nine digits. */
static bool
take_fraction(struct str *rest, int64_t *ns_out)
{
	int64_t ns = 0, digit, unit = NS_PER_S;

	if (!take_char(rest, '.')) {
		*ns_out = 0;
		return true;
	}
	while (unit > 1 && take_digits(rest, 1, &digit)) {
		unit /= 10;
		ns += digit * unit;
	}
	*ns_out = ns;
	return unit < NS_PER_S;
}

static bool
take_offset(struct str *rest, int64_t *offset_s_out)
{
	int64_t hours, minutes, sign;

	if (take_char(rest, 'Z') || take_char(rest, 'z')) {
		*offset_s_out = 0;
		return true;
	}
	sign = take_char(rest, '+') ? 1 : take_char(rest, '-') ? -1 : 0;
	if (sign == 0 || !take_digits(rest, 2, &hours) || !take_char(rest, ':') || !take_digits(rest, 2, &minutes) ||
	    hours > 23 || minutes > 59)
		return false;
	*offset_s_out = sign * (hours * 3600 + minutes * 60);
	return true;
}

bool
date_parse(struct str text, int64_t *ns_out)
{
	struct civil civil;
	int64_t      fraction_ns, offset_s;

	return take_digits(&text, 4, &civil.year) && take_char(&text, '-') && take_digits(&text, 2, &civil.month) &&
	       take_char(&text, '-') && take_digits(&text, 2, &civil.day) &&
	       (take_char(&text, 'T') || take_char(&text, 't')) && take_time(&text, &civil) &&
	       take_fraction(&text, &fraction_ns) && take_offset(&text, &offset_s) && text.len == 0 &&
	       moment_of(&civil, offset_s, fraction_ns, ns_out);
}

static char *
put_digits(char *at, int64_t value, size_t count)
{
	for (size_t i = count; i-- > 0; value /= 10)
		at[i] = (char)('0' + value % 10);
	return at + count;
}

static char *
put_text(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}

static char *
put_time(char *at, const struct civil *civil)
{
	at = put_digits(at, civil->hour, 2);
	*at++ = ':';
	at = put_digits(at, civil->minute, 2);
	*at++ = ':';
	return put_digits(at, civil->second, 2);
}

static void
take_apart(int64_t s, struct civil *civil)
{
	int64_t days = floor_div(s, S_PER_DAY);
	int64_t rest = s - days * S_PER_DAY;

	set_date(days, civil);
	civil->hour = rest / 3600;
	civil->minute = rest / 60 % 60;
	civil->second = rest % 60;
}

size_t
date_format_bare(int64_t ns, char text_out[DATE_TEXT_MAX])
{
	struct civil civil;
	char        *at = text_out;

	take_apart(floor_div(ns, NS_PER_S), &civil);
	at = put_digits(at, civil.year, 4);
	*at++ = '-';
	at = put_digits(at, civil.month, 2);
	*at++ = '-';
	at = put_digits(at, civil.day, 2);
	*at++ = 'T';
	return (size_t)(put_time(at, &civil) - text_out);
}

size_t
date_format(int64_t ns, unsigned fraction_digits, char text_out[DATE_TEXT_MAX])
{
	int64_t fraction = (ns % NS_PER_S + NS_PER_S) % NS_PER_S;
	char   *at = text_out + date_format_bare(ns, text_out);

	MUST(fraction_digits <= 9);
	if (fraction_digits > 0) {
		for (unsigned i = fraction_digits; i < 9; i++)
			fraction /= 10;
		*at++ = '.';
		at = put_digits(at, fraction, fraction_digits);
	}
	*at++ = 'Z';
	return (size_t)(at - text_out);
}

size_t
date_format_http(int64_t ns, char text_out[DATE_TEXT_MAX])
{
	int64_t      s = floor_div(ns, NS_PER_S);
	int64_t      days = floor_div(s, S_PER_DAY);
	struct civil civil;
	char        *at = text_out;

	take_apart(s, &civil);
	at = put_text(at, day_names[days - floor_div(days, 7) * 7], 3);
	at = put_text(at, ", ", 2);
	at = put_digits(at, civil.day, 2);
	*at++ = ' ';
	at = put_text(at, month_names[civil.month - 1], 3);
	*at++ = ' ';
	at = put_digits(at, civil.year, 4);
	*at++ = ' ';
	at = put_time(at, &civil);
	return (size_t)(put_text(at, " GMT", 4) - text_out);
}

/* The position of the name `rest` begins with, which is taken; `count` if there is none. */
static size_t
take_name(struct str *rest, const char (*names)[4], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (str_starts(*rest, str_of(names[i], 3))) {
			*rest = str_skip(*rest, 3);
			return i;
		}
	}
	return count;
}

bool
date_parse_http(struct str text, int64_t *ns_out)
{
	struct civil civil;
	size_t       day_name = take_name(&text, day_names, 7);
	int64_t      ns, days;

	if (!take_char(&text, ',') || !take_char(&text, ' ') || !take_digits(&text, 2, &civil.day) ||
	    !take_char(&text, ' '))
		return false;
	civil.month = (int64_t)take_name(&text, month_names, 12) + 1;
	if (!take_char(&text, ' ') || !take_digits(&text, 4, &civil.year) || !take_char(&text, ' ') ||
	    !take_time(&text, &civil) || !str_eq(text, STR(" GMT")) || !moment_of(&civil, 0, 0, &ns))
		return false;
	days = floor_div(ns, NS_PER_S * S_PER_DAY);
	if (day_name != (size_t)(days - floor_div(days, 7) * 7))
		return false;
	*ns_out = ns;
	return true;
}

bool
date_parse_duration(struct str text, int64_t *seconds_out)
{
	uint64_t count, unit = 1;

	switch (text.len > 0 ? text.at[text.len - 1] : '\0') {
	case 's':
		text.len--;
		break;
	case 'm':
		text.len--;
		unit = 60;
		break;
	case 'h':
		text.len--;
		unit = 3600;
		break;
	case 'd':
		text.len--;
		unit = (uint64_t)S_PER_DAY;
		break;
	default:
		break;
	}
	if (!str_to_u64(text, &count) || count > (uint64_t)S_MAX / unit)
		return false;
	*seconds_out = (int64_t)(count * unit);
	return true;
}
