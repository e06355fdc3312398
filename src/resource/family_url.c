/* SPDX-License-Identifier: Apache-2.0 */
/* Which resource the path of a followed URL lists. */
#include "resource/family.h"
#include "resource/resource.h"
#include "text/uri.h"

/* The path's last segments, without delta and parameters; `*` is any segment, `**` any number of them. */
static const struct {
	const char *pattern, *collection;
} patterns[] = {
	{ "v1.0/contacts", "orgContacts" },
	{ "beta/contacts", "orgContacts" },
	{ "channels/*/messages", "chatMessages" },
	{ "messages/*/replies", "chatMessages" },
	{ "chats/*/messages", "chatMessages" },
	{ "getAllMessages", "chatMessages" },
	{ "todo/lists", "todoLists" },
	{ "todo/lists/*/tasks", "tasks" },
	{ "planner/**", "planner" },
	{ "lists/*/items", "listItems" },
	{ "list/items", "listItems" },
	{ "calendarView", "events" },
	{ "getAllTranscripts", "transcripts" },
	{ "drives/**", "driveItems" },
	{ "drive/**", "driveItems" },
	{ "root", "driveItems" },
};

/* Takes the last segment off *path; for getAllMessages(…) and microsoft.graph.getAllMessages its plain name. */
static bool
take_last(struct str *path, struct str *segment_out)
{
	struct str segment, space = STR("microsoft.graph.");
	size_t     at;

	while (path->len > 0 && path->at[path->len - 1] == '/')
		path->len--;
	for (at = path->len; at > 0 && path->at[at - 1] != '/';)
		at--;
	segment = str_skip(*path, at);
	*path = str_first(*path, at);
	segment = str_first(segment, str_find(segment, '('));
	*segment_out = str_starts_nocase(segment, space) ? str_skip(segment, space.len) : segment;
	return segment.len > 0;
}

/* Compares from the end. */
static bool
path_ends(struct str path, struct str pattern)
{
	struct str want, have;

	while (take_last(&pattern, &want)) {
		if (str_eq(want, STR("**"))) {
			(void)take_last(&pattern, &want);
			while (take_last(&path, &have))
				if (str_eq_nocase(have, want))
					return true;
			return false;
		}
		if (!take_last(&path, &have) || (!str_eq(want, STR("*")) && !str_eq_nocase(have, want)))
			return false;
	}
	return true;
}

const struct resource *
family_of_url(struct str url)
{
	struct uri_parts parts;
	struct str       rest, segment;

	if (!uri_split(url, &parts))
		return &resource_generic;
	for (rest = parts.path; take_last(&rest, &segment) && str_eq_nocase(segment, STR("delta"));)
		parts.path = rest;
	for (size_t i = 0; i < COUNT_OF(patterns); i++)
		if (path_ends(parts.path, str_from_c(patterns[i].pattern)))
			return resource_of_collection(str_from_c(patterns[i].collection));
	return resource_of_collection(segment);
}

/* ---- the URL of an item ------------------------------------------------------------------------------------ */

/* Collections whose items are reached by another noun. */
static const struct {
	const char *noun, *item_noun;
} item_nouns[] = { { "root", "items" }, { "calendarView", "events" } };

struct str
family_item_noun(struct str noun)
{
	for (size_t i = 0; i < COUNT_OF(item_nouns); i++)
		if (str_eq_nocase(noun, str_from_c(item_nouns[i].noun)))
			return str_from_c(item_nouns[i].item_noun);
	return noun;
}

bool
family_item_url(struct str url, struct str id, struct arena *arena, struct str *item_url_out)
{
	const struct resource *resource = family_of_url(url);
	struct uri_parts       parts;
	struct str             path, before, segment, noun, pair, query = STR_EMPTY;
	char                  *text;

	if (!uri_split(url, &parts) || (resource->identity && resource->identity[0] && resource->identity[1]))
		return false;
	before = parts.path;
	do {
		path = before;
		if (!take_last(&before, &segment))
			return false;
	} while (str_eq_nocase(segment, STR("delta")));
	noun = str_skip(path, before.len);
	while (noun.len > 0 && noun.at[noun.len - 1] == '/')
		noun.len--;
	if (noun.len != segment.len || str_starts_nocase(noun, STR("getAll")) ||
	    (resource == resource_of_collection(STR("driveItems")) && !str_eq_nocase(noun, STR("root"))))
		return false;
	noun = family_item_noun(noun);
	text = arena_take_raw(arena, parts.query.len + 1);
	while (str_take_until(&parts.query, '&', &pair))
		if (str_starts_nocase(pair, STR("$select=")) || str_starts_nocase(pair, STR("$expand="))) {
			text[query.len] = query.len > 0 ? '&' : '?';
			memcpy(text + query.len + 1, pair.at, pair.len);
			query = str_of(text, query.len + 1 + pair.len);
		}
	*item_url_out = arena_printf(arena, "%.*s://%.*s%.*s%.*s/%.*s%.*s", STR_ARG(parts.scheme),
	                             STR_ARG(parts.authority), STR_ARG(before), STR_ARG(noun),
	                             STR_ARG(uri_encode(id, "", arena)), STR_ARG(query));
	return true;
}
