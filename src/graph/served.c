/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/served.h"

#include "graph/parameters.h"
#include "resource/family.h"
#include "resource/followed.h"
#include "text/uri.h"

/* ---- from the configuration --------------------------------------------------------------------------------- */

/* users('ID') is users/ID, as in the paths of requests (route.c). */
static size_t
divide_keyed(struct served_segment *at, struct arena *arena)
{
	struct str text = at->text, key = str_skip(text, str_find(text, '(') + 1);

	if (key.len < 2 || key.len + 1 == text.len || !str_ends(key, STR(")")) ||
	    !literal_read(str_first(key, key.len - 1), arena, &key) || key.len == 0)
		return 1;
	at[1] = (struct served_segment){ .text = key, .has_word = at->has_word };
	at[0] = (struct served_segment){ .text = str_first(text, str_find(text, '(')) };
	return 2;
}

/* The decoded segments of a URL's path; 0: there are none, or too many. */
static size_t
divide(struct str url, struct served_segment segments_out[SERVED_SEGMENTS_MAX], struct arena *arena)
{
	struct uri_parts parts;
	struct str       raw;
	size_t           count = 0;

	if (!uri_split(url, &parts))
		return 0;
	parts.path = str_skip(parts.path, 1);
	while (str_take_until(&parts.path, '/', &raw)) {
		struct served_segment *at = &segments_out[count];

		if (raw.len == 0)
			continue;
		if (count == SERVED_SEGMENTS_MAX || uri_decode(raw, arena, &at->text) != OK)
			return 0;
		at->has_word = str_find(raw, '{') < raw.len;
		count += count == 1 ? divide_keyed(at, arena) : 1;
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

/* The name of a resource or of a function. */
static bool
is_noun(struct str segment)
{
	for (size_t i = 0; i < segment.len; i++)
		if ((segment.at[i] | 0x20) < 'a' || (segment.at[i] | 0x20) > 'z')
			return false;
	return true;
}

/* Behind a plural stands an id: drives/ID.  Two may differ in letter case alone. */
static void
read_cases(struct served *served)
{
	bool is_id = false, is_user;

	for (size_t i = 1; i < served->count; i++) {
		struct served_segment *at = &served->segments[i];
		struct guid            id;

		is_id = i > 1 && !is_id && str_ends(at[-1].text, STR("s"));
		is_user = i == 2 && str_eq_nocase(at[-1].text, STR("users"));
		at->any_case = is_user || guid_parse(at->text, &id) || (!is_id && is_noun(at->text));
		served->value_is_user = served->value_is_user ||
		                        (is_user && at->has_word && str_find(at->text, '}') + 1 == at->text.len &&
		                         str_starts(at->text, STR("{")));
	}
}

static struct served
read_one(const struct graph_served *from, struct arena *arena)
{
	const struct resource *resource = from->resource.len ? resource_of_collection(from->resource)
	                                                     : family_of_url(from->url);
	struct served          served = { .name = from->name,
		                          .url = from->url,
		                          .permissions = from->permissions,
		                          .owner = from->owner,
		                          .is_many = from->is_many };

	served.count = divide(from->url, served.segments, arena);
	served.has_delta = served.count > 0 && is_delta(served.segments[served.count - 1].text);
	served.count -= served.has_delta;
	if (served.count > 0 && !is_version(served.segments[0].text))
		served.count = 0;
	served.is_me = served.count > 1 && str_eq_nocase(served.segments[1].text, STR("me"));
	/* /me is whoever asks, and each may have such a feed in the store itself; any word may be `me` or `users`. */
	if ((served.is_me || served.segments[1].has_word) && resource->number > 0)
		served.count = 0;
	read_cases(&served);
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

/* The text of a word, the same at all its places.  In quotes they are doubled. */
static bool
take_value(struct str front, struct str text, struct arena *arena, struct str *value)
{
	struct str quoted = arena_printf(arena, "'%.*s'", STR_ARG(text));

	if ((str_ends(front, STR("'")) && !literal_read(quoted, arena, &text)) || text.len == 0 ||
	    (value->len > 0 && !str_eq(*value, text)))
		return false;
	*value = text;
	return true;
}

/* Is the text the pattern, with one value in the place of its words?  A URL (is_raw) has that value encoded. */
static bool
matches_text(struct str pattern, struct str text, bool is_raw, struct arena *arena, struct str *value)
{
	struct str front = str_first(pattern, str_find(pattern, '{')), raw, next;

	while (pattern.len > front.len) {
		if (!str_starts(text, front))
			return false;
		text = str_skip(text, front.len);
		pattern = str_skip(pattern, str_find(pattern, '}') + 1);
		next = str_first(pattern, str_find(pattern, '{'));
		if (next.len == pattern.len && str_ends(text, next))
			raw = str_first(text, text.len - next.len);
		else
			raw = str_first(text, next.len > 0 ? str_find_text(text, next) : 0);
		text = str_skip(text, raw.len);
		if (is_raw && (str_find_any(raw, STR("/?")) < raw.len || uri_decode(raw, arena, &raw) != OK))
			return false;
		if (!take_value(front, raw, arena, value))
			return false;
		front = next;
	}
	return str_eq(text, front);
}

static bool
matches_segment(const struct served_segment *own, struct str text, struct arena *arena, struct str *value)
{
	if (own->has_word)
		return matches_text(own->text, text, false, arena, value);
	return own->any_case ? str_eq_nocase(own->text, text) : str_eq(own->text, text);
}

static bool
is_item_noun(const struct served_segment *own, struct str text)
{
	struct str noun = family_item_noun(own->text);

	return !str_eq(noun, own->text) && str_eq_nocase(noun, text);
}

/* The first segments are those of the scope's URL; the last of them perhaps the noun of its items. */
static bool
matches_own(const struct served *served, const struct str *segments, size_t count, struct arena *arena,
            struct served_path *path)
{
	if (served->count == 0 || count < served->count || !is_version(segments[0]))
		return false;
	for (size_t i = 1; i < served->count; i++) {
		if (matches_segment(&served->segments[i], segments[i], arena, &path->value))
			continue;
		path->is_by_item = i + 1 == served->count && is_item_noun(&served->segments[i], segments[i]);
		if (!path->is_by_item)
			return false;
	}
	path->scope = served->is_many ? scope_name_of_value(served->name, path->value, arena) : served->name;
	path->is_own = true;
	return true;
}

static bool
matches_name(const struct served *served, struct str name, struct served_path *path)
{
	struct str rest = str_skip(name, served->name.len);

	path->scope = name;
	path->value = str_skip(rest, 1);
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

/*
 * Paths nest: /users/ID/messages is a relation of the scope at /users, unless a longer path is a scope's own.  The noun
 * of items names a list and what is in it, unless it is the noun of a scope itself.
 */
bool
served_find(const struct served_all *all, const struct str *segments, size_t count, struct arena *arena,
            struct served_path *path_out)
{
	bool   by_name = count > 2 && str_eq_nocase(segments[1], STR("scopes")) && is_version(segments[0]);
	size_t best = 0;

	for (size_t i = 0; i < all->count; i++) {
		const struct served *served = &all->at[i];
		struct served_path   path = { .served = served };
		size_t               at = by_name ? 3 : served->count, rank;

		if (by_name ? !matches_name(served, segments[2], &path)
		            : !matches_own(served, segments, count, arena, &path))
			continue;
		rank = 2 * at + !path.is_by_item;
		if (!read_rest(segments + at, count - at, &path) || rank <= best ||
		    (path.is_by_item && path.kind == ROUTE_DELTA))
			continue;
		*path_out = path;
		best = rank;
	}
	return best > 0;
}

/* All of it counts: another host is another source, and other options are other items. */
static bool
matches_url(const struct served *served, struct str url, struct arena *arena, struct str *value)
{
	return served->is_many ? matches_text(served->url, url, true, arena, value) : str_eq(served->url, url);
}

bool
served_is_at(const struct served *served, struct str scope, struct str url, struct arena *arena)
{
	struct str value = STR_EMPTY;

	return served->url.len == 0 ||
	       (matches_url(served, url, arena, &value) &&
	        (!served->is_many || str_eq(scope, scope_name_of_value(served->name, value, arena))));
}

/* Nearly every URL is that of the section, and then its parts are known: to read them again costs a sixth of a poll. */
struct str
served_owner_of(const struct served *served, struct str value, struct str url, struct arena *arena)
{
	struct served_segment        read[SERVED_SEGMENTS_MAX];
	struct str                   found = STR_EMPTY;
	bool                         is_known = url.len == 0;
	const struct served_segment *segments = served->segments;
	size_t                       count = served->count + served->has_delta;

	if (!is_known && served->count > 0 && matches_url(served, url, arena, &found)) {
		is_known = true;
		value = found;
	}
	if (!is_known) {
		segments = read;
		count = divide(url, read, arena);
	}
	if (count <= 3 || !str_eq_nocase(segments[1].text, STR("users")))
		return STR_EMPTY;
	return is_known && served->value_is_user ? value : segments[2].text;
}

bool
served_clash(const struct served *a, const struct served *b)
{
	struct str value = STR_EMPTY;

	if (a->count == 0 || a->count != b->count)
		return false;
	for (size_t i = 1; i < a->count; i++)
		if (!a->segments[i].has_word && !b->segments[i].has_word &&
		    !matches_segment(&a->segments[i], b->segments[i].text, NULL, &value))
			return false;
	return true;
}
