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
