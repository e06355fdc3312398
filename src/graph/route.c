/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/route.h"

#include "graph/parameters.h"
#include "text/uri.h"

#define SEGMENTS_MAX 16

/* A path in pieces: users('x')/calendars gives "users", key "x", then "calendars". */
struct piece {
	struct str name;
	struct str key;
	bool       has_key; /* there were brackets, perhaps empty */
	struct str text;    /* the whole segment */
};

struct pieces {
	struct piece at[SEGMENTS_MAX + 2]; /* two empty ones follow the last, so that looking ahead finds nothing */
	size_t       count;
};

static bool
takes_arguments(struct str name)
{
	return str_eq_nocase(name, STR("getAllRecordings")) ||
	       str_eq_nocase(name, STR("microsoft.graph.getAllRecordings"));
}

/* Brackets are looked for after decoding, so they may be encoded.  What is no literal is no key: an id is any text. */
static struct piece
read_piece(struct str text, struct arena *arena)
{
	struct piece piece = { .name = text, .text = text };
	size_t       open = str_find(text, '(');
	struct str   key;

	if (open == text.len || open == 0 || text.at[text.len - 1] != ')')
		return piece;
	key = str_of(text.at + open + 1, text.len - open - 2);
	if (!takes_arguments(str_first(text, open)) && !literal_read(key, arena, &key))
		return piece;
	return (struct piece){ .name = str_first(text, open), .key = key, .has_key = true, .text = text };
}

static enum err
divide(struct str path, struct arena *arena, struct pieces *pieces_out)
{
	struct str raw, text;

	pieces_out->count = 0;
	path = str_skip(path, 1);
	while (str_take_until(&path, '/', &raw)) {
		if (pieces_out->count == SEGMENTS_MAX)
			return ERR_BAD_REQUEST;
		TRY(uri_decode(raw, arena, &text));
		pieces_out->at[pieces_out->count++] = read_piece(text, arena);
	}
	pieces_out->at[pieces_out->count] = pieces_out->at[pieces_out->count + 1] = (struct piece){ .has_key = false };
	return OK;
}

static bool
is(const struct piece *piece, struct str name)
{
	return !piece->has_key && str_eq_nocase(piece->name, name);
}

/* A collection with a key that is not empty: name('key'), or name and the next segment.  Moves *at past it. */
static bool
take_keyed(const struct pieces *pieces, size_t *at, struct str name, struct str *key_out)
{
	const struct piece *piece = &pieces->at[*at];

	if (*at >= pieces->count || !str_eq_nocase(piece->name, name))
		return false;
	if (piece->has_key) {
		*key_out = piece->key;
		*at += piece->key.len > 0 ? 1 : 0;
		return piece->key.len > 0;
	}
	/* A key with brackets in it was divided: take the whole segment. */
	piece++;
	if (piece->text.len == 0)
		return false;
	*key_out = piece->text;
	*at += 2;
	return true;
}

/* delta, delta(), microsoft.graph.delta */
static bool
is_function(const struct piece *piece, struct str name)
{
	struct str prefix = STR("microsoft.graph.");

	if (piece->has_key && piece->key.len > 0)
		return false;
	return str_eq_nocase(str_starts_nocase(piece->name, prefix) ? str_skip(piece->name, prefix.len) : piece->name,
	                     name);
}

static struct str *
field_of(struct route *route, struct str name)
{
	if (str_eq(name, STR("{group}")))
		return &route->group;
	return str_eq(name, STR("{meeting}")) ? &route->meeting : &route->id;
}

/* One word of a pattern with its key.  Moves *at and *rest past it. */
static bool
match_word(const struct pieces *pieces, struct str word, struct str *rest, size_t *at, struct route *route)
{
	const struct piece *piece = &pieces->at[*at];
	struct str          key;

	if (str_starts(*rest, STR("{"))) {
		(void)str_take_until(rest, '/', &key);
		return take_keyed(pieces, at, word, field_of(route, key));
	}
	if (str_ends(word, STR("(*)"))) {
		if (piece[-1].has_key || !takes_arguments(piece->name))
			return false;
		route->parameters = piece->key;
	} else if (str_ends(word, STR("()"))) {
		if (!is_function(piece, str_first(word, word.len - 2)))
			return false;
	} else if (!is(piece, word)) {
		return false;
	}
	*at += 1;
	return true;
}

/* *reached_out is how far the path matched. */
static bool
match(const struct pieces *pieces, size_t at, const struct resource_path *path, struct route *route,
      size_t *reached_out)
{
	struct route found = *route;
	struct str   rest = str_from_c(path->pattern + (path->pattern[0] == '/')), word;

	*reached_out = at;
	while (str_take_until(&rest, '/', &word)) {
		if (!match_word(pieces, word, &rest, &at, &found))
			return false;
		*reached_out = at;
	}
	if (at != pieces->count)
		return false;
	*route = found;
	route->kind = path->kind;
	route->read = path->read;
	route->write = path->write;
	return true;
}

/* A path that belongs to a resource: behind the user (`prefix` empty) or behind the version ("/"). */
static bool
parse_resource(const struct pieces *pieces, size_t at, const char *prefix, struct route *route)
{
	size_t reached, best = at;

	for (const struct resource *const *resource = resources; *resource; resource++)
		for (const struct resource_path *path = (*resource)->paths; path && path->pattern; path++) {
			if (str_starts(str_from_c(path->pattern), STR("/")) != (prefix[0] == '/'))
				continue;
			if (match(pieces, at, path, route, &reached)) {
				route->resource = *resource;
				return true;
			}
			best = reached > best ? reached : best;
		}
	route->unknown = pieces->at[best < pieces->count ? best : pieces->count - 1].name;
	return false;
}

static bool
parse_version(const struct pieces *pieces, struct route *route)
{
	if (is(&pieces->at[0], STR("beta")))
		route->beta = true;
	else if (!is(&pieces->at[0], STR("v1.0")))
		return false;
	return true;
}

static bool
is_collection(enum route_kind kind)
{
	return kind == ROUTE_COLLECTION || kind == ROUTE_USERS || kind == ROUTE_RECORDINGS ||
	       kind == ROUTE_ALL_RECORDINGS;
}

/* The segment $count at the end of a path. */
static bool
take_count(struct pieces *pieces)
{
	struct piece *last = &pieces->at[pieces->count > 0 ? pieces->count - 1 : 0];

	if (pieces->count < 3 || !is(last, STR("$count")))
		return false;
	*last = (struct piece){ .has_key = false };
	pieces->count--;
	return true;
}

/* A followed scope that is served, if its path is one. */
static bool
find_served(const struct pieces *pieces, const struct served_all *served, struct arena *arena, struct route *route)
{
	struct str         segments[SEGMENTS_MAX + 1];
	struct served_path path;
	size_t             count = 0;

	for (size_t i = 0; i < pieces->count; i++) {
		bool is_keyed = i == 1 && pieces->at[i].key.len > 0; /* users('ID') is users/ID */

		segments[count++] = is_keyed ? pieces->at[i].name : pieces->at[i].text;
		if (is_keyed)
			segments[count++] = pieces->at[i].key;
	}
	if (!served || served->count == 0 || !served_find(served, segments, count, arena, &path))
		return false;
	route->kind = path.kind;
	route->served = path.served;
	route->scope = path.scope;
	route->value = path.value;
	route->id = path.id;
	route->relation = path.relation;
	route->resource = &path.served->resource;
	return true;
}

static void
parse_own(const struct pieces *pieces, struct route *route)
{
	size_t at = 1;

	if (pieces->count == 1) {
		route->kind = ROUTE_SERVICE;
	} else if (pieces->count == 2 && is(&pieces->at[1], STR("$metadata"))) {
		route->kind = ROUTE_METADATA;
	} else if (pieces->count == 2 && is(&pieces->at[1], STR("$batch"))) {
		route->kind = ROUTE_BATCH;
	} else if (is(&pieces->at[1], STR("me"))) {
		route->me = true;
		if (pieces->count > 2 || !parse_resource(pieces, 1, "/", route))
			(void)parse_resource(pieces, 2, "", route);
	} else if (take_keyed(pieces, &at, STR("users"), &route->user)) {
		(void)parse_resource(pieces, at, "", route);
	} else if (!parse_resource(pieces, 1, "/", route)) {
		route->unknown = pieces->at[1].name;
	}
}

/*
 * The delta of a scope comes first, and all of one whose resource the store may have, too; then the store's own.  A
 * word takes no path from the store: its value may be any noun.
 */
static bool
comes_first(const struct route *route)
{
	return route->resource->number > 0 || (route->kind == ROUTE_DELTA && !route->served->is_many);
}

enum err
route_parse(struct str path, const struct served_all *served, struct arena *arena, struct route *route_out)
{
	struct pieces pieces;
	struct route  route = { .kind = ROUTE_UNKNOWN, .read = RIGHT_COUNT, .write = RIGHT_COUNT };
	struct route  other;

	TRY(divide(path, arena, &pieces));
	route.count = take_count(&pieces);
	if (pieces.count == 0) {
		route.kind = ROUTE_SERVICE;
	} else if (!parse_version(&pieces, &route)) {
		route.unknown = pieces.at[0].name;
	} else {
		other = route;
		if (!find_served(&pieces, served, arena, &other) || !comes_first(&other))
			parse_own(&pieces, &route);
		if (other.served && route.kind == ROUTE_UNKNOWN)
			route = other;
	}
	if (route.count && route.kind != ROUTE_UNKNOWN && !is_collection(route.kind)) {
		route.kind = ROUTE_UNKNOWN;
		route.unknown = STR("$count");
	}
	*route_out = route;
	return OK;
}
