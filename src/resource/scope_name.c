/* SPDX-License-Identifier: Apache-2.0 */
#include "resource/family.h"

#include "base/bytes.h"
#include "resource/resource.h"
#include "store/replica.h"
#include "text/uri.h"

#define NAME_PART_MAX 100 /* bytes of a long name that stay; a hash follows */

bool
scope_name_is_good(struct str name)
{
	return name.len > 0 && name.len <= REPLICA_NAME_MAX && str_find(name, ' ') == name.len &&
	       str_find(name, '/') == name.len && utf8_is_clean(name);
}

struct str
scope_name_of_value(struct str section, struct str value, struct arena *arena)
{
	struct str whole = section;
	char      *text = arena_take_raw(arena, whole.len + 1 + 3 * value.len);

	memcpy(text, whole.at, whole.len);
	text[whole.len] = ':';
	whole = str_of(text, whole.len + 1);
	/* A name holds no blank; so that no two values have one name, % is encoded too. */
	for (size_t i = 0; i < value.len; i++) {
		char at = value.at[i];

		text[whole.len++] = at == ' ' ? '%' : at;
		if (at == ' ' || at == '%') {
			memcpy(text + whole.len, at == ' ' ? "20" : "25", 2);
			whole.len += 2;
		}
	}
	if (whole.len <= REPLICA_NAME_MAX)
		return whole;
	return arena_printf(arena, "%.*s~%016llx", STR_ARG(str_cut(whole, NAME_PART_MAX)),
	                    (unsigned long long)bytes_hash(BYTES_HASH_START, whole));
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
scope_name_of_url(struct str url)
{
	struct uri_parts       parts;
	struct str             segment = STR_EMPTY;
	const struct resource *resource;

	if (!uri_split(url, &parts))
		return STR("items");
	do {
		segment = last_segment(&parts.path);
	} while (parts.path.len > 0 && is_delta(segment));
	segment = str_first(segment, str_find(segment, '('));
	resource = resource_of_collection(segment);
	if (resource->number > 0)
		return str_from_c(resource->collection);
	if (str_eq_nocase(segment, STR("root")))
		return STR("drive");
	if (segment.len == 0 || segment.len > 64 || is_delta(segment))
		return STR("items");
	return segment;
}
