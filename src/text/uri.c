/* SPDX-License-Identifier: Apache-2.0 */
#include "text/uri.h"

#include <arpa/inet.h>

#include "base/bytes.h"

#define HOST_MAX ((size_t)255)

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

bool
utf8_is_clean(struct str text)
{
	unsigned found = 0;

	/* Without an early exit the compiler checks sixteen bytes at a time. */
	for (size_t i = 0; i < text.len; i++)
		found |= (unsigned)((unsigned char)text.at[i] < 0x20) | (unsigned)(text.at[i] == 0x7f);
	return found == 0 && utf8_valid(text);
}

/* The byte that the %XX at the front of `text` stands for; -1 if there is no such thing. */
static int
escaped_byte(struct str text)
{
	int high, low;

	if (text.len < 3 || text.at[0] != '%')
		return -1;
	high = hex_value(text.at[1]);
	low = hex_value(text.at[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

enum err
uri_decode(struct str text, struct arena *arena, struct str *text_out)
{
	struct str decoded = text;
	size_t     len = 0;
	char      *out;

	if (str_find(text, '%') < text.len) {
		out = arena_take_raw(arena, text.len);
		while (text.len > 0) {
			int byte = text.at[0] == '%' ? escaped_byte(text) : text.at[0] & 0xff;

			if (byte < 0)
				return ERR_BAD_REQUEST;
			text = str_skip(text, text.at[0] == '%' ? 3 : 1);
			out[len++] = (char)byte;
		}
		decoded = str_of(out, len);
	}
	if (!utf8_is_clean(decoded))
		return ERR_BAD_REQUEST;
	*text_out = decoded;
	return OK;
}

enum err
uri_decode_form(struct str text, struct arena *arena, struct str *text_out)
{
	char *out;

	if (str_find(text, '+') == text.len)
		return uri_decode(text, arena, text_out);
	out = arena_take_raw(arena, text.len);
	for (size_t i = 0; i < text.len; i++)
		out[i] = text.at[i] == '+' ? ' ' : text.at[i];
	return uri_decode(str_of(out, text.len), arena, text_out);
}

enum err
uri_take_pair(struct str *rest, struct arena *arena, struct uri_pair *pair_out, bool *more_out)
{
	struct str      after = *rest, text = STR_EMPTY;
	struct uri_pair pair = { .value = STR_EMPTY };
	size_t          cut;

	while (text.len == 0) {
		if (!str_take_until(&after, '&', &text)) {
			*rest = after;
			*more_out = false;
			return OK;
		}
	}
	cut = str_find(text, '=');
	pair.has_value = cut < text.len;
	TRY(uri_decode_form(str_first(text, cut), arena, &pair.name));
	TRY(uri_decode_form(str_skip(text, cut + 1), arena, &pair.value));
	*rest = after;
	*pair_out = pair;
	*more_out = true;
	return OK;
}

struct str
uri_encode(struct str text, const char *keep, struct arena *arena)
{
	static const char digits[] = "0123456789ABCDEF";
	struct str        kept = str_from_c(keep);
	char             *out = arena_take_raw(arena, text.len * 3);
	size_t            len = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if (is_unreserved((char)c) || str_find(kept, (char)c) < kept.len) {
			out[len++] = (char)c;
			continue;
		}
		out[len++] = '%';
		out[len++] = digits[c >> 4];
		out[len++] = digits[c & 15];
	}
	return str_of(out, len);
}

struct str
uri_double_quotes(struct str text, struct arena *arena)
{
	char  *doubled = arena_take_raw(arena, text.len * 2);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '\'')
			doubled[len++] = '\'';
		doubled[len++] = text.at[i];
	}
	return str_of(doubled, len);
}

static bool
is_name(struct str host)
{
	for (size_t i = 0; i < host.len; i++)
		if (!is_unreserved(host.at[i]))
			return false;
	return host.len > 0 && host.len <= HOST_MAX;
}

static bool
is_ipv6(struct str host)
{
	char            text[INET6_ADDRSTRLEN] = "";
	struct in6_addr address;

	if (host.len >= sizeof(text))
		return false;
	memcpy(text, host.at, host.len);
	return inet_pton(AF_INET6, text, &address) == 1;
}

static bool
take_host(struct str *rest, struct str *host_out)
{
	size_t cut;

	if (rest->len > 0 && rest->at[0] == '[') {
		cut = str_find(*rest, ']');
		if (cut == rest->len)
			return false;
		*host_out = str_of(rest->at + 1, cut - 1);
		*rest = str_skip(*rest, cut + 1);
		return is_ipv6(*host_out);
	}
	cut = str_find(*rest, ':');
	*host_out = str_first(*rest, cut);
	*rest = str_skip(*rest, cut);
	return is_name(*host_out);
}

/* The rest of an authority after its host: nothing, or a colon and a port without leading zeros. */
static bool
read_port(struct str rest, uint16_t *port)
{
	uint64_t value;

	if (rest.len == 0)
		return true;
	if (rest.at[0] != ':' || rest.len < 2 || rest.at[1] == '0' || !str_to_u64(str_skip(rest, 1), &value) ||
	    value > 65535)
		return false;
	*port = (uint16_t)value;
	return true;
}

/* Bytes that may stand in a path or query as sent: visible ASCII, no '#', no backslash, whole percent escapes. */
static bool
is_sendable(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\')
			return false;
		if (c == '%' && escaped_byte(str_skip(text, i)) < 0)
			return false;
	}
	return true;
}

static bool
take_scheme(struct str *rest, struct uri_parts *parts)
{
	bool secure = str_starts(*rest, STR("https://"));

	if (!secure && !str_starts(*rest, STR("http://")))
		return false;
	parts->scheme = str_first(*rest, secure ? 5 : 4);
	parts->port = secure ? 443 : 80;
	*rest = str_skip(*rest, parts->scheme.len + 3);
	return true;
}

bool
uri_split(struct str text, struct uri_parts *parts_out)
{
	struct uri_parts parts;
	struct str       rest = text;
	size_t           cut;

	if (!take_scheme(&rest, &parts) || !is_sendable(rest))
		return false;
	for (cut = 0; cut < rest.len && rest.at[cut] != '/' && rest.at[cut] != '?'; cut++)
		continue;
	parts.authority = str_first(rest, cut);
	rest = str_skip(rest, cut);
	cut = str_find(rest, '?');
	parts.path = str_first(rest, cut);
	parts.query = str_skip(rest, cut + 1);

	rest = parts.authority;
	if (!take_host(&rest, &parts.host) || !read_port(rest, &parts.port))
		return false;
	*parts_out = parts;
	return true;
}

/* ---- this machine ---------------------------------------------------------------------------- */

/* 127.a.b.c, each a plain number: "127.evil.example" is a name like any other. */
static bool
is_loopback_v4(struct str host)
{
	struct str part;
	uint64_t   number;
	int        parts = 0;

	if (!str_starts(host, STR("127.")) || host.at[host.len - 1] == '.')
		return false;
	while (str_take_until(&host, '.', &part)) {
		if (part.len > 3 || !str_to_u64(part, &number) || number > 255)
			return false;
		parts++;
	}
	return parts == 4;
}

bool
uri_host_is_loopback(struct str host)
{
	return str_eq_nocase(host, STR("localhost")) || str_eq(host, STR("::1")) || is_loopback_v4(host);
}
