/* SPDX-License-Identifier: Apache-2.0 */
#include "text/date.h"

#include <time.h>

#include "base/err.h"

#define NS_PER_S    ((int64_t)1000000000)
#define FIRST_S     INT64_C(-9214560000)        /* 1678-01-01 */
#define S_MAX       ((uint64_t)36525 * 86400)   /* a hundred years */
#define HTTP_FORMAT "%a, %d %b %Y %H:%M:%S GMT" /* in the locale C, which this program never leaves */
/* Digits of a fraction of a second in a URL (OData's dateTimeOffsetValue). */
#define URL_FRACTION_MAX 12

static int64_t
floor_div(int64_t value, int64_t by)
{
	return value / by - (value % by < 0);
}

static struct tm
take_apart(int64_t s)
{
	struct tm tm;

	MUST(gmtime_r(&s, &tm));
	return tm;
}

static bool
is_same(const struct tm *a, const struct tm *b)
{
	return a->tm_year == b->tm_year && a->tm_mon == b->tm_mon && a->tm_mday == b->tm_mday &&
	       a->tm_hour == b->tm_hour && a->tm_min == b->tm_min && a->tm_sec == b->tm_sec;
}

/* A leap second is the last second of a month in UTC; a :60 anywhere else is refused. */
static bool
ends_month(int64_t s)
{
	struct tm next = take_apart(s + 1);

	return next.tm_mday == 1 && next.tm_hour == 0 && next.tm_min == 0 && next.tm_sec == 0;
}

static bool
moment_of(const struct tm *read, int64_t offset_s, int64_t fraction_ns, int64_t *ns_out)
{
	bool      leap = read->tm_sec == 60;
	struct tm wanted = *read, made;
	int64_t   s, ns;

	wanted.tm_sec -= leap;
	made = wanted;
	s = timegm(&made) - offset_s;
	/* A field that is too large for its place has changed the others. */
	if (!is_same(&made, &wanted) || s < FIRST_S || (leap && !ends_month(s)))
		return false;
	if (__builtin_mul_overflow(s, NS_PER_S, &ns) || __builtin_add_overflow(ns, fraction_ns, &ns))
		return false;
	*ns_out = ns;
	return true;
}

static bool
take_digits(struct str *rest, size_t count, int *value_out)
{
	int value = 0;

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
take_seconds(struct str *rest, struct tm *tm)
{
	return take_char(rest, ':') && take_digits(rest, 2, &tm->tm_sec);
}

/* Nothing, or a point and one to nine digits. */
static bool
take_fraction(struct str *rest, int64_t *ns_out)
{
	int64_t ns = 0, unit = NS_PER_S;
	int     digit;

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

/* Digits behind the ninth say less than a nanosecond. */
static bool
take_seconds_of_url(struct str *rest, struct tm *tm, int64_t *fraction_ns_out)
{
	int digit;

	*fraction_ns_out = 0;
	if (!str_starts(*rest, STR(":")))
		return true;
	if (!take_seconds(rest, tm) || !take_fraction(rest, fraction_ns_out))
		return false;
	for (int i = 9; i < URL_FRACTION_MAX && take_digits(rest, 1, &digit); i++)
		continue;
	return true;
}

static bool
take_offset(struct str *rest, bool in_url, int64_t *offset_s_out)
{
	int hours, minutes, sign;

	if (take_char(rest, 'Z') || take_char(rest, 'z')) {
		*offset_s_out = 0;
		return true;
	}
	sign = take_char(rest, '+') || (in_url && take_char(rest, ' ')) ? 1 : take_char(rest, '-') ? -1 : 0;
	if (sign == 0 || !take_digits(rest, 2, &hours) || !take_char(rest, ':') || !take_digits(rest, 2, &minutes) ||
	    hours > 23 || minutes > 59)
		return false;
	*offset_s_out = (int64_t)sign * (hours * 3600 + minutes * 60);
	if (in_url)
		(void)(take_char(rest, 'Z') || take_char(rest, 'z'));
	return true;
}

/* Up to the minute. */
static bool
take_date(struct str *rest, struct tm *tm)
{
	if (!take_digits(rest, 4, &tm->tm_year) || !take_char(rest, '-') || !take_digits(rest, 2, &tm->tm_mon) ||
	    !take_char(rest, '-') || !take_digits(rest, 2, &tm->tm_mday) ||
	    !(take_char(rest, 'T') || take_char(rest, 't')))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return take_digits(rest, 2, &tm->tm_hour) && take_char(rest, ':') && take_digits(rest, 2, &tm->tm_min);
}

bool
date_parse(struct str text, int64_t *ns_out)
{
	struct tm tm = { 0 };
	int64_t   fraction_ns, offset_s;

	return take_date(&text, &tm) && take_seconds(&text, &tm) && take_fraction(&text, &fraction_ns) &&
	       take_offset(&text, false, &offset_s) && text.len == 0 && moment_of(&tm, offset_s, fraction_ns, ns_out);
}

bool
date_parse_url(struct str text, int64_t *ns_out)
{
	struct tm tm = { 0 };
	int64_t   fraction_ns, offset_s;

	return take_date(&text, &tm) && take_seconds_of_url(&text, &tm, &fraction_ns) &&
	       take_offset(&text, true, &offset_s) && text.len == 0 && moment_of(&tm, offset_s, fraction_ns, ns_out);
}

size_t
date_format_bare(int64_t ns, char text_out[DATE_TEXT_MAX])
{
	struct tm tm = take_apart(floor_div(ns, NS_PER_S));

	return strftime(text_out, DATE_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
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
		at += fraction_digits;
		for (unsigned i = 1; i <= fraction_digits; i++, fraction /= 10)
			at[-(int)i] = (char)('0' + fraction % 10);
	}
	*at++ = 'Z';
	return (size_t)(at - text_out);
}

size_t
date_format_http(int64_t ns, char text_out[DATE_TEXT_MAX])
{
	struct tm tm = take_apart(floor_div(ns, NS_PER_S));

	return strftime(text_out, DATE_TEXT_MAX, HTTP_FORMAT, &tm);
}

bool
date_parse_http(struct str text, int64_t *ns_out)
{
	char      copy[DATE_TEXT_MAX] = "", again[DATE_TEXT_MAX];
	struct tm read = { 0 }, made;
	int64_t   ns;

	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.at, text.len);
	if (!strptime(copy, HTTP_FORMAT, &read) || !moment_of(&read, 0, 0, &ns))
		return false;
	/* strptime() reads more than dates of HTTP: only a text that is written again as it was is one. */
	made = take_apart(floor_div(ns, NS_PER_S));
	made.tm_sec = read.tm_sec;
	if (!str_eq(text, str_of(again, strftime(again, sizeof(again), HTTP_FORMAT, &made))))
		return false;
	*ns_out = ns;
	return true;
}

bool
date_parse_duration(struct str text, int64_t *seconds_out)
{
	static const struct {
		char     letter;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	uint64_t count, unit = 1;

	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (text.len > 0 && text.at[text.len - 1] == units[i].letter) {
			text.len--;
			unit = units[i].seconds;
			break;
		}
	if (!str_to_u64(text, &count) || count > S_MAX / unit)
		return false;
	*seconds_out = (int64_t)(count * unit);
	return true;
}
