/* SPDX-License-Identifier: Apache-2.0 */
/*
 * date — moments as text: RFC 3339 (OData's Edm.DateTimeOffset) and RFC 9110's HTTP date.
 *
 * A moment is nanoseconds since 1970 UTC in an int64: years 1678 to 2262; anything else
 * is refused.  No locale, no time zone database.
 */
#pragma once

#include <stdint.h>

#include "base/str.h"

#define DATE_TEXT_MAX 40

/* 2024-01-15T00:00:00[.1-9 digits](Z|±hh:mm); 't' and 'z' too; a leap second counts as :59. */
bool date_parse(struct str text, int64_t *ns_out);
/*
 * The same as clients write it in a URL.  Seconds may be left out (Java); a fraction may have twelve digits.  A query
 * turns the '+' of the zone into a blank, so a blank is read as one.  Python's Kiota adds a 'Z' to an offset.
 */
bool date_parse_url(struct str text, int64_t *ns_out);

size_t date_format(int64_t ns, unsigned fraction_digits, char text_out[DATE_TEXT_MAX]); /* …Z, 0..9 digits */
size_t date_format_bare(int64_t ns, char text_out[DATE_TEXT_MAX]);                      /* 2025-02-13T10:17:05 */
size_t date_format_http(int64_t ns, char text_out[DATE_TEXT_MAX]); /* Sun, 06 Nov 1994 08:49:37 GMT */
bool   date_parse_http(struct str text, int64_t *ns_out);          /* IMF-fixdate only */
/* "90", "90s", "15m", "12h", "30d" to seconds; at most 100 years. */
bool date_parse_duration(struct str text, int64_t *seconds_out);
