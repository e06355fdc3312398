/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_uri — what is decoded is clean and survives encoding; pairs cover the query; the parts of a URL fit together. */
#include "base/buf.h"
#include "text/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_clean(struct str text)
{
	MUST(utf8_valid(text));
	for (size_t i = 0; i < text.len; i++)
		MUST((unsigned char)text.at[i] >= 0x20 && text.at[i] != 0x7f);
}

static void
check_decode(struct str text, struct arena *arena)
{
	struct str decoded, again;

	if (uri_decode(text, arena, &decoded) != OK)
		return;
	check_clean(decoded);
	MUST(decoded.len <= text.len);
	MUST(uri_decode(uri_encode(decoded, "", arena), arena, &again) == OK && str_eq(decoded, again));
	MUST(uri_decode(uri_encode(decoded, "!$&'()*+,/:;=?@[]", arena), arena, &again) == OK &&
	     str_eq(decoded, again));
}

/* Encoded anew and joined, the pairs must be taken apart into the same pairs. */
static void
check_pairs(struct str text, struct arena *arena, struct buf *joined, struct str *first_out)
{
	struct str      rest = text;
	struct uri_pair pair;
	bool            more = true;

	for (;;) {
		struct str before = rest;

		if (uri_take_pair(&rest, arena, &pair, &more) != OK) {
			MUST(rest.at == before.at && rest.len == before.len);
			break;
		}
		if (!more) {
			MUST(rest.len == 0);
			break;
		}
		check_clean(pair.name);
		check_clean(pair.value);
		MUST(rest.len < before.len && (pair.has_value || pair.value.len == 0));
		MUST(pair.name.len > 0 || pair.has_value);
		buf_put(joined, uri_encode(pair.name, "", arena));
		if (pair.has_value)
			buf_put_char(joined, '=');
		buf_put(joined, uri_encode(pair.value, "", arena));
		buf_put_char(joined, '&');
	}
	MUST(buf_err(joined) == OK);
	*first_out = arena_copy(arena, buf_str(joined));
}

static void
check_split(struct str text)
{
	struct uri_parts parts;
	const char      *end = text.at + text.len;
	struct str       behind;

	if (!uri_split(text, &parts))
		return;
	MUST(str_eq(parts.scheme, STR("http")) || str_eq(parts.scheme, STR("https")));
	MUST(parts.scheme.at == text.at && parts.authority.at == text.at + parts.scheme.len + 3);
	MUST(parts.path.at == parts.authority.at + parts.authority.len);
	behind = str_of(parts.path.at + parts.path.len, (size_t)(end - parts.path.at) - parts.path.len);
	MUST(behind.len == 0 ? parts.query.len == 0 : behind.at[0] == '?' && parts.query.len == behind.len - 1);
	MUST(parts.path.len == 0 || parts.path.at[0] == '/');
	MUST(parts.host.len > 0 && parts.port != 0);
	MUST(parts.host.at >= parts.authority.at);
	MUST(parts.host.at + parts.host.len <= parts.authority.at + parts.authority.len);
	for (size_t i = 0; i < text.len; i++)
		MUST(text.at[i] > 0x20 && text.at[i] < 0x7f && !strchr("#\\", text.at[i]));
	MUST(str_find(parts.authority, '@') == parts.authority.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_open((size_t)256 << 20);
	struct str    text = str_of(data, size), first, second;
	struct buf    joined;

	buf_open(&joined, size * 6 + 16);
	check_decode(text, arena);
	check_pairs(text, arena, &joined, &first);
	buf_cut(&joined, 0);
	check_pairs(first, arena, &joined, &second);
	MUST(str_eq(first, second));
	check_split(text);
	buf_close(&joined);
	arena_close(&arena);
	return 0;
}
