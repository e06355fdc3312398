/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/served.h"

#include "resource/family.h"
#include "resource/followed.h"
#include "text/uri.h"

/* ---- from the configuration --------------------------------------------------------------------------------- */

/* The decoded segments of a URL's path; 0: there are none, or too many. */
static size_t
divide(struct str url, struct str segments_out[SERVED_SEGMENTS_MAX], struct arena *arena)
{
	struct uri_parts parts;
	struct str       raw;
	size_t           count = 0;

	if (!uri_split(url, &parts))
		return 0;
	parts.path = str_skip(parts.path, 1);
	while (str_take_until(&parts.path, '/', &raw)) {
		if (raw.len == 0)
			continue;
		if (count == SERVED_SEGMENTS_MAX || uri_decode(raw, arena, &segments_out[count]) != OK)
			return 0;
		count++;
	}
	return count;
}

static bool
is_delta(struct str segment)
{
	struct str space = STR("microsoft.graph.");

	if (str_starts_nocase(segment, space))
		segment = str_skip(segment, space.len);
	return str_eq_nocase(segment, STR("delta")) || str_eq_nocase(segment, STR("delta()"));
}

static bool
is_version(struct str segment)
{
	return str_eq_nocase(segment, STR("v1.0")) || str_eq_nocase(segment, STR("beta"));
}

/* Of the permissions that the section names, else of the descriptor. */
static struct right_row
row_of(const struct served *served, struct arena *arena)
{
	const struct resource *resource = &served->resource;
	struct right_row row = { .right = RIGHT_COUNT, .delegated = resource->reads, .application = resource->reads };
	struct str       words = served->permissions, word;
	const char     **names;
	size_t           count = 0;

	if (words.len == 0 && !resource->reads && resource->rights)
		return resource->rights[0];
	if (words.len > 0) {
		row.delegated = row.application = names = arena_take(arena, (words.len / 2 + 2) * sizeof(*names));
		while (str_take_until(&words, ' ', &word))
			if (word.len > 0)
				names[count++] = arena_c(arena, word);
	}
	if (row.delegated)
		row.calls = arena_c(arena,
		                    arena_printf(arena, "reading the followed scope %.*s", STR_ARG(served->name)));
	return row;
}

/* Only a value that is a whole segment, so that the others are those of the section. */
static void
cut_url(struct served *served, struct str url, struct arena *arena)
{
	struct str segments[SERVED_SEGMENTS_MAX];
	size_t     open = str_find(url, '{'), close = str_find(url, '}');

	if (served->count == 0)
		return;
	if (!served->is_many) {
		served->before = url;
		return;
	}
	if (close == url.len || open > close || open > str_find(url, '?') || url.at[open - 1] != '/' ||
	    close + 1 == url.len || url.at[close + 1] != '/')
		return;
	served->before = str_first(url, open);
	served->after = str_skip(url, close + 1);
	served->value_is_third = divide(served->before, segments, arena) == 2;
}

static struct served
read_one(const struct graph_served *from, struct arena *arena)
{
	const struct resource *resource = from->resource.len ? resource_of_collection(from->resource)
	                                                     : family_of_url(from->url);
	struct served          served = { .name = from->name, .permissions = from->permissions, .owner = from->owner };

	served.count = divide(from->url, served.segments, arena);
	served.has_delta = served.count > 0 && is_delta(served.segments[served.count - 1]);
	served.count -= served.has_delta;
	if (served.count > 0 && !is_version(served.segments[0]))
		served.count = 0;
	served.is_me = served.count > 1 && str_eq_nocase(served.segments[1], STR("me"));
	/* /me is whoever asks, and each may have such a feed in the store itself. */
	if (served.is_me && resource->number > 0)
		served.count = 0;
	served.is_many = from->is_many;
	cut_url(&served, from->url, arena);
	served.resource = resource_followed(resource);
	if (from->content.len > 0 && resource->content) {
		served.content_member = resource->content;
		served.content_dir = arena_c(arena, from->content);
	}
	served.row = row_of(&served, arena);
	return served;
}

struct served_all
served_read(const struct graph_parts *parts, struct arena *arena)
{
	struct served *all = arena_take(arena, (parts->served_count + 1) * sizeof(*all));

	for (size_t i = 0; i < parts->served_count; i++)
		all[i] = read_one(&parts->served[i], arena);
	return (struct served_all){ all, parts->served_count };
}

/* ---- paths ------------------------------------------------------------------------------------------------------ */

/* The name of a resource or of a function. */
static bool
is_noun(struct str segment)
{
	for (size_t i = 0; i < segment.len; i++)
		if ((segment.at[i] | 0x20) < 'a' || (segment.at[i] | 0x20) > 'z')
			return false;
	return true;
}

/* Nouns, users and GUIDs in any letter case, as in the paths of the store's own feeds; no other id. */
static bool
is_same(struct str a, struct str b, bool is_user)
{
	struct guid id;

	return str_eq(a, b) || (str_eq_nocase(a, b) && (is_user || is_noun(a) || guid_parse(a, &id)));
}

static bool
is_user(const struct served *served, size_t at)
{
	return at == 2 && str_eq_nocase(served->segments[1], STR("users"));
}

/* It may hold {word}, which stands for any text. */
static bool
matches_segment(const struct served *served, size_t at, struct str segment, struct str *value)
{
	struct str pattern = served->segments[at];
	size_t     open = str_find(pattern, '{'), close = str_find(pattern, '}');
	size_t     after = pattern.len - close - 1;

	if (open == pattern.len || close == pattern.len || close < open)
		return is_same(pattern, segment, is_user(served, at));
	if (segment.len < open + after + 1 || !str_starts(segment, str_first(pattern, open)) ||
	    !str_ends(segment, str_skip(pattern, close + 1)))
		return false;
	*value = str_of(segment.at + open, segment.len - open - after);
	return true;
}

/* The first segments are those of the scope's URL; the last of them perhaps the noun of its items. */
static bool
matches_own(const struct served *served, const struct str *segments, size_t count, struct arena *arena,
            struct served_path *path)
{
	struct str value = STR_EMPTY;
	size_t     last = served->count - 1;

	if (served->count == 0 || count < served->count || !is_version(segments[0]))
		return false;
	for (size_t i = 1; i < served->count; i++)
		if (!matches_segment(served, i, segments[i], &value) &&
		    (i < last || !str_eq_nocase(family_item_noun(served->segments[i]), segments[i])))
			return false;
	path->scope = !served->is_many ? served->name
	                               : arena_printf(arena, "%.*s:%.*s", STR_ARG(served->name), STR_ARG(value));
	path->is_own = true;
	return true;
}

static bool
matches_name(const struct served *served, struct str name, struct served_path *path)
{
	struct str rest = str_skip(name, served->name.len);

	path->scope = name;
	path->is_own = false;
	return str_starts(name, served->name) && (served->is_many ? str_starts(rest, STR(":")) : rest.len == 0);
}

/* What stands behind the scope in the path. */
static bool
read_rest(const struct str *rest, size_t count, struct served_path *path)
{
	bool whole = path->is_own && !path->served->has_delta;

	path->kind = whole ? ROUTE_DELTA : ROUTE_COLLECTION;
	if (whole || count == 0)
		return count == 0;
	path->id = rest[0];
	path->relation = count == 2 ? rest[1] : STR_EMPTY;
	path->kind = count == 2 ? ROUTE_MEMBERS : is_delta(rest[0]) ? ROUTE_DELTA : ROUTE_ITEM;
	if (count == 2 && path->served->content_dir && str_eq_nocase(path->relation, STR("content")))
		path->kind = ROUTE_FOLLOWED_CONTENT;
	return count <= 2 && rest[0].len > 0;
}

/* Paths nest: /users/ID/messages is a relation of the scope at /users, unless a longer path is a scope's own. */
bool
served_find(const struct served_all *all, const struct str *segments, size_t count, struct arena *arena,
            struct served_path *path_out)
{
	bool   by_name = count > 2 && str_eq_nocase(segments[1], STR("scopes")) && is_version(segments[0]);
	bool   found = false;
	size_t longest = 0;

	for (size_t i = 0; i < all->count; i++) {
		const struct served *served = &all->at[i];
		struct served_path   path = { .served = served };
		size_t               at = by_name ? 3 : served->count;

		if (by_name ? !matches_name(served, segments[2], &path)
		            : !matches_own(served, segments, count, arena, &path))
			continue;
		if (!read_rest(segments + at, count - at, &path) || (found && at <= longest))
			continue;
		*path_out = path;
		found = true;
		longest = at;
	}
	return found;
}

static struct str
value_of(const struct served *served, struct str scope)
{
	return served->is_many ? str_skip(scope, served->name.len + 1) : STR_EMPTY;
}

/*
 * Is it the URL of the section with the value of the scope?  Nearly every one is, and then its parts are known: to read
 * them again costs a sixth of a poll.
 */
static bool
is_as_written(const struct served *served, struct str scope, struct str url, struct arena *arena)
{
	struct str raw, value;

	if (served->before.len == 0 || !str_starts(url, served->before))
		return false;
	raw = str_skip(url, served->before.len);
	if (!served->is_many)
		return raw.len == 0;
	if (!str_ends(raw, served->after))
		return false;
	raw = str_first(raw, raw.len - served->after.len);
	return raw.len > 0 && str_find(raw, '/') == raw.len && str_find(raw, '?') == raw.len &&
	       uri_decode(raw, arena, &value) == OK && str_eq(value, value_of(served, scope));
}

bool
served_is_at(const struct served *served, struct str scope, struct str url, struct arena *arena)
{
	struct str         segments[SERVED_SEGMENTS_MAX];
	struct served_path path;
	size_t             count;

	if (is_as_written(served, scope, url, arena))
		return true;
	count = divide(url, segments, arena);
	return count == served->count + served->has_delta && matches_own(served, segments, count, arena, &path) &&
	       str_eq(path.scope, scope);
}

bool
served_is_like(const struct served *served, struct str url, struct arena *arena)
{
	struct str         segments[SERVED_SEGMENTS_MAX];
	struct served_path path;
	size_t             count = divide(url, segments, arena);

	return count == served->count + served->has_delta && matches_own(served, segments, count, arena, &path);
}

struct str
served_owner_of(const struct served *served, struct str scope, struct str url, struct arena *arena)
{
	struct str        read[SERVED_SEGMENTS_MAX];
	bool              known = url.len == 0 || is_as_written(served, scope, url, arena);
	const struct str *segments = known ? served->segments : read;
	size_t            count = known ? served->count + served->has_delta : divide(url, read, arena);

	if (count <= 3 || !str_eq_nocase(segments[1], STR("users")))
		return STR_EMPTY;
	return known && served->value_is_third ? value_of(served, scope) : segments[2];
}

bool
served_clash(const struct served *a, const struct served *b)
{
	if (a->count == 0 || a->count != b->count)
		return false;
	for (size_t i = 1; i < a->count; i++) {
		struct str one = a->segments[i], other = b->segments[i];

		if (str_find(one, '{') == one.len && str_find(other, '{') == other.len &&
		    !is_same(one, other, is_user(a, i)))
			return false;
	}
	return true;
}
