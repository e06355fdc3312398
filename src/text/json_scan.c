/* SPDX-License-Identifier: Apache-2.0 */
#include "text/json_scan.h"

#include "text/json_read.h"
#include "text/json_string.h"
#include "text/utf8.h"

struct scan {
	struct str        text;
	size_t            at;
	size_t            depth;
	size_t            values;
	struct json_fault fault;
};

static enum err
found(struct scan *scan, enum err err, const char *what, size_t offset)
{
	scan->fault = (struct json_fault){ .what = what, .offset = offset };
	return err;
}

static enum err
count_value(struct scan *scan)
{
	if (++scan->values > JSON_TOKENS_MAX)
		return found(scan, ERR_TOO_LARGE, "the JSON holds too many values", scan->at);
	return OK;
}

/* `at` stands on the opening quote and is left behind the closing one. */
static enum err
scan_string(struct scan *scan)
{
	size_t opening = scan->at++;

	for (;;) {
		struct str rest;
		uint32_t   rune;

		scan->at += json_plain_len(str_skip(scan->text, scan->at));
		if (scan->at == scan->text.len)
			return found(scan, ERR_BAD_REQUEST, "a string is not closed; it opens", opening);
		if (scan->text.at[scan->at] == '"') {
			scan->at++;
			return OK;
		}
		if (scan->text.at[scan->at] != '\\')
			return found(scan, ERR_BAD_REQUEST, "a control byte stands in a string", scan->at);
		rest = str_skip(scan->text, scan->at);
		if (!json_take_escape(&rest, &rune))
			return found(scan, ERR_BAD_REQUEST, "an escape stands for no character", scan->at);
		if (rune == 0)
			return found(scan, ERR_BAD_REQUEST, "\\u0000 is not accepted", scan->at);
		scan->at = scan->text.len - rest.len;
	}
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 && !is_blank(c);
}

static size_t
skip_blanks(struct str text, size_t at)
{
	while (at < text.len && is_blank(text.at[at]))
		at++;
	return at;
}

/*
 * A container that is not empty holds one value more than it has commas, so values are
 * counted at commas and openings.  The count is exact for JSON; for anything else it
 * still bounds what jansson can have built when it stumbles.
 */
static enum err
scan_opening(struct scan *scan)
{
	if (++scan->depth > JSON_DEPTH_MAX)
		return found(scan, ERR_BAD_REQUEST, "the JSON is nested too deeply", scan->at);
	scan->at = skip_blanks(scan->text, scan->at + 1);
	if (scan->at < scan->text.len && scan->text.at[scan->at] != '}' && scan->text.at[scan->at] != ']')
		return count_value(scan);
	return OK;
}

static enum err
scan_next(struct scan *scan)
{
	switch (scan->text.at[scan->at]) {
	case '"':
		return scan_string(scan);
	case '{':
	case '[':
		return scan_opening(scan);
	case '}':
	case ']':
		if (scan->depth > 0)
			scan->depth--;
		break;
	case ',':
		TRY(count_value(scan));
		break;
	default:
		/* jansson 2.14 passes over a NUL behind a number. */
		if (is_control(scan->text.at[scan->at]))
			return found(scan, ERR_BAD_REQUEST, "a control byte stands between the values", scan->at);
		break;
	}
	scan->at++;
	return OK;
}

static enum err
scan_all(struct scan *scan)
{
	size_t good;

	if (scan->text.len > JSON_BYTES_MAX)
		return found(scan, ERR_TOO_LARGE, "the JSON is too long; it goes on", JSON_BYTES_MAX);
	if (str_starts(scan->text, STR("\xef\xbb\xbf")))
		return found(scan, ERR_BAD_REQUEST, "a byte order mark is not accepted", 0);
	good = utf8_good_len(scan->text);
	if (good < scan->text.len)
		return found(scan, ERR_BAD_REQUEST, "the text is not UTF-8", good);
	scan->at = skip_blanks(scan->text, 0);
	if (scan->at == scan->text.len)
		return found(scan, ERR_BAD_REQUEST, "there is no JSON; the text ends", scan->text.len);
	TRY(count_value(scan));
	while (scan->at < scan->text.len)
		TRY(scan_next(scan));
	return OK;
}

enum err
json_scan(struct str text, struct json_fault *fault_out)
{
	struct scan scan = { .text = text };
	enum err    err = scan_all(&scan);

	if (err != OK)
		*fault_out = scan.fault;
	return err;
}
