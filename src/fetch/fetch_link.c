/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch_link.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>

bool
fetch_is_visible(struct str text)
{
	return str_is_within(text, '!', '~');
}

/* Programs read some characters in different ways: no link may hold them. */
static bool
is_bad(char c)
{
	return c <= ' ' || c > '~' || strchr("\\\"<>^`{|}", c);
}

size_t
fetch_link_find_bad(struct str link)
{
	size_t i = 0;

	while (i < link.len && !is_bad(link.at[i]))
		i++;
	return i;
}

/* Where the path begins; the length without one. */
static size_t
end_of_authority(struct str url)
{
	size_t begin = str_find(url, ':') + 3;

	return begin < url.len ? begin + str_find_any(str_skip(url, begin), STR("/?#")) : url.len;
}

struct str
fetch_link_encode(struct str url, const char *keep, struct arena *arena)
{
	struct str text = str_trim_of(url, STR(" \t\r\n")), front, rest;
	char      *out, *end;

	if (text.len > FETCH_LINK_MAX)
		return text;
	front = str_first(text, end_of_authority(text));
	rest = str_skip(text, front.len);
	out = end = arena_take_raw(arena, front.len + 3 * rest.len);
	memcpy(end, front.at, front.len);
	end += front.len;
	for (size_t i = 0; i < rest.len; i++) {
		uint8_t byte = (uint8_t)rest.at[i];

		if (!is_bad(rest.at[i]) || byte < ' ' || byte == 0x7f || byte == '\\' || strchr(keep, rest.at[i])) {
			*end++ = rest.at[i];
			continue;
		}
		*end++ = '%';
		*end++ = "0123456789ABCDEF"[byte >> 4];
		*end++ = "0123456789ABCDEF"[byte & 15];
	}
	return str_of(out, (size_t)(end - out));
}

static bool
read_link(struct str link, struct uri_parts *parts_out, const char **why_out)
{
	if (link.len == 0 || link.len > FETCH_LINK_MAX) {
		*why_out = "is empty or longer than 32 KiB";
		return false;
	}
	if (fetch_link_find_bad(link) < link.len) {
		*why_out = "holds bytes that no URL may hold";
		return false;
	}
	if (!uri_split(link, parts_out)) {
		*why_out = "is not an absolute URL (http:// or https://, in small letters) without user information "
			   "and fragment";
		return false;
	}
	return true;
}

bool
fetch_origin_of(struct str url, struct fetch_origin *origin_out, const char **why_out)
{
	struct uri_parts parts;

	if (!read_link(url, &parts, why_out))
		return false;
	if (!str_eq(parts.scheme, STR("https")) && !uri_host_is_loopback(parts.host)) {
		*why_out = "is http, which is only followed on this machine; use https";
		return false;
	}
	*origin_out = (struct fetch_origin){ parts.scheme, parts.host, parts.port };
	return true;
}

bool
fetch_link_is_good(const struct fetch_origin *origin, struct str link, const char **why_out)
{
	struct uri_parts parts;

	if (!read_link(link, &parts, why_out))
		return false;
	if (!str_eq(parts.scheme, origin->scheme) || !str_eq_nocase(parts.host, origin->host) ||
	    parts.port != origin->port) {
		*why_out = "leads to another origin than the URL that is followed";
		return false;
	}
	return true;
}

bool
fetch_link_is_beside(struct str link, struct str other)
{
	return str_eq(str_first(link, str_find(link, '?')), str_first(other, str_find(other, '?')));
}

/* "https:", "file:" and the like begin a URL; "me/calendars" does not. */
static bool
has_scheme(struct str text)
{
	size_t end = str_find_any(text, STR(":/?#("));

	return end < text.len && text.at[end] == ':';
}

/* The path of the base up to its last slash, or up to fewer for each "../" that the reference begins with. */
static struct str
merge_path(struct str origin, struct str path, struct str *rest)
{
	size_t len = path.len;

	while (len > 0 && path.at[len - 1] != '/')
		len--;
	for (;;) {
		if (str_starts(*rest, STR("./"))) {
			*rest = str_skip(*rest, 2);
		} else if (str_starts(*rest, STR("../"))) {
			*rest = str_skip(*rest, 3);
			len -= len > 1;
			while (len > 0 && path.at[len - 1] != '/')
				len--;
		} else {
			return str_of(origin.at, origin.len + len);
		}
	}
}

struct str
fetch_link_resolve(struct str base, struct str reference, struct arena *arena)
{
	struct uri_parts parts;
	struct str       front, origin;

	if (reference.len == 0 || has_scheme(reference) || !uri_split(base, &parts))
		return reference;
	origin = fetch_origin_text(base);
	if (str_starts(reference, STR("//")))
		front = str_first(base, parts.scheme.len + 1);
	else if (reference.at[0] == '/')
		front = origin;
	else if (reference.at[0] == '?')
		front = str_first(base, str_find(base, '?'));
	else
		front = merge_path(origin, parts.path, &reference);
	return arena_printf(arena, "%.*s%s%.*s", STR_ARG(front),
	                    front.len == origin.len && !strchr("/?", reference.at[0]) ? "/" : "", STR_ARG(reference));
}

bool
fetch_link_is_local(struct str link)
{
	struct uri_parts parts;

	return uri_split(link, &parts) && uri_host_is_loopback(parts.host);
}

bool
fetch_link_goes_by_proxy(struct str link)
{
	static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
	bool                     is_set = false;

	for (size_t i = 0; i < COUNT_OF(names); i++)
		is_set |= getenv(names[i]) && getenv(names[i])[0];
	return is_set && str_starts(link, STR("https:"));
}

struct str
fetch_link_host(struct str link)
{
	struct uri_parts parts;

	MUST(uri_split(link, &parts));
	return parts.host;
}

struct str
fetch_origin_text(struct str url)
{
	struct uri_parts parts;

	MUST(uri_split(url, &parts));
	return str_first(url, parts.scheme.len + 3 + parts.authority.len);
}

#define V4 [10] = 0xff, 0xff /* a.b.c.d is compared as ::ffff:a.b.c.d */

/* The first row that matches counts; an address without a row is public. */
static const struct {
	uint8_t        prefix[16], bits;
	enum fetch_net net;
} nets[] = {
	{ { V4, 0 }, 104, FETCH_NET_NONE },
	{ { V4, 10 }, 104, FETCH_NET_PRIVATE },
	{ { V4, 100, 64 }, 106, FETCH_NET_PRIVATE },
	{ { V4, 127 }, 104, FETCH_NET_LOOPBACK },
	{ { V4, 169, 254 }, 112, FETCH_NET_LINK },
	{ { V4, 172, 16 }, 108, FETCH_NET_PRIVATE },
	{ { V4, 192, 0, 0 }, 120, FETCH_NET_PRIVATE },
	{ { V4, 192, 168 }, 112, FETCH_NET_PRIVATE },
	{ { V4, 198, 18 }, 111, FETCH_NET_PRIVATE },
	{ { V4, 224 }, 99, FETCH_NET_NONE },
	{ { V4 }, 96, FETCH_NET_PUBLIC },
	{ { [15] = 1 }, 128, FETCH_NET_LOOPBACK },
	{ { 0 }, 7, FETCH_NET_NONE },
	{ { 0x20, 0x02 }, 16, FETCH_NET_NONE },
	{ { 0xfc }, 7, FETCH_NET_PRIVATE },
	{ { 0xfe, 0x80 }, 10, FETCH_NET_LINK },
	{ { 0xfe, 0xc0 }, 10, FETCH_NET_PRIVATE },
	{ { 0xff }, 8, FETCH_NET_NONE },
};

static bool
has_prefix(const uint8_t *at, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(at, prefix, whole) == 0 && (rest == 0 || (at[whole] ^ prefix[whole]) >> (8 - rest) == 0);
}

enum fetch_net
fetch_net_of(const struct sockaddr *addr)
{
	static const uint8_t v4[12] = { V4 }, nat64[12] = { 0, 0x64, 0xff, 0x9b };
	uint8_t              at[16] = { V4 };

	if (addr->sa_family == AF_INET)
		memcpy(at + 12, &((const struct sockaddr_in *)(const void *)addr)->sin_addr, 4);
	else if (addr->sa_family == AF_INET6)
		memcpy(at, &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr, 16);
	else
		return FETCH_NET_NONE;
	if (has_prefix(at, nat64, 96))
		memcpy(at, v4, 12);
	for (size_t i = 0; i < COUNT_OF(nets); i++)
		if (has_prefix(at, nets[i].prefix, nets[i].bits))
			return nets[i].net;
	return FETCH_NET_PUBLIC;
}

enum fetch_net
fetch_net_of_host(struct str host)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *found;
	enum fetch_net  net;
	char            name[256];

	(void)str_printf(name, sizeof(name), "%.*s", STR_ARG(host));
	if (uri_host_is_loopback(host))
		return FETCH_NET_LOOPBACK;
	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return FETCH_NET_PUBLIC;
	net = fetch_net_of(found->ai_addr);
	freeaddrinfo(found);
	return net;
}

bool
fetch_net_may_lead(enum fetch_net from, enum fetch_net to)
{
	return to == FETCH_NET_PUBLIC || (to == from && to != FETCH_NET_NONE);
}
