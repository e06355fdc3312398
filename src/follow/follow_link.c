/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_link.h"

#include "resource/resource.h"

/* Only what a URL may consist of: no blank, no control byte, nothing beyond ASCII, none of the ambiguous ones. */
static bool
has_only_url_bytes(struct str link)
{
	for (size_t i = 0; i < link.len; i++)
		if (link.at[i] <= ' ' || link.at[i] > '~' || strchr("\\\"<>^`{|}", link.at[i]))
			return false;
	return true;
}

static bool
read_link(struct str link, struct uri_parts *parts_out, const char **why_out)
{
	if (link.len == 0 || link.len > FOLLOW_LINK_MAX) {
		*why_out = "is empty or longer than 32 KiB";
		return false;
	}
	if (!has_only_url_bytes(link)) {
		*why_out = "holds bytes that no URL may hold";
		return false;
	}
	if (!uri_split(link, parts_out)) {
		*why_out = "is not an absolute URL (http:// or https://, in small letters) without user information and fragment";
		return false;
	}
	return true;
}

bool
follow_origin_of(struct str url, struct follow_origin *origin_out, const char **why_out)
{
	struct uri_parts parts;

	if (!read_link(url, &parts, why_out))
		return false;
	if (!str_eq(parts.scheme, STR("https")) && !uri_host_is_loopback(parts.host)) {
		*why_out = "is http, which is only followed on this machine; use https";
		return false;
	}
	*origin_out = (struct follow_origin){ parts.scheme, parts.host, parts.port };
	return true;
}

bool
follow_link_is_good(const struct follow_origin *origin, struct str link, const char **why_out)
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
follow_link_is_beside(struct str link, struct str other)
{
	return str_eq(str_first(link, str_find(link, '?')), str_first(other, str_find(other, '?')));
}

bool
follow_link_is_local(struct str link)
{
	struct uri_parts parts;

	return uri_split(link, &parts) && uri_host_is_loopback(parts.host);
}

struct str
follow_origin_text(struct str url)
{
	struct uri_parts parts;

	MUST(uri_split(url, &parts));
	return str_first(url, parts.scheme.len + 3 + parts.authority.len);
}

static struct str
last_segment(struct str *path)
{
	size_t     at = path->len;
	struct str segment;

	while (at > 0 && path->at[at - 1] != '/')
		at--;
	segment = str_skip(*path, at);
	*path = str_first(*path, at > 0 ? at - 1 : 0);
	return segment;
}

static bool
is_delta(struct str segment)
{
	return segment.len == 0 || str_starts_nocase(segment, STR("delta")) ||
	       str_starts_nocase(segment, STR("microsoft.graph.delta"));
}

struct str
follow_resource_of(struct str url)
{
	struct uri_parts parts;
	struct str       segment = STR_EMPTY;
	const struct resource *resource;

	if (!uri_split(url, &parts))
		return STR("items");
	do {
		segment = last_segment(&parts.path);
	} while (parts.path.len > 0 && is_delta(segment));
	segment = str_first(segment, str_find(segment, '('));
	resource = resource_of_collection(segment);
	if (resource->odata_type)
		return str_from_c(resource->collection);
	if (segment.len == 0 || segment.len > 64 || is_delta(segment))
		return STR("items");
	return segment;
}
