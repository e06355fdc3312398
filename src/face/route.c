/* SPDX-License-Identifier: Apache-2.0 */
#include "face/route.h"

#include "text/uri.h"

#define SEGMENTS_MAX 16

/* A path in pieces: users('x')/calendars gives "users", key "x", then "calendars". */
struct piece {
	struct str name;
	struct str key;
	bool       has_key;              /* brackets stood there, perhaps empty */
};

struct pieces {
	struct piece at[SEGMENTS_MAX];
	size_t       count;
};

/* 'it''s' → it's; an unquoted key is taken as it is. False when the quotes do not match. */
static bool
unquote(struct str text, struct arena *arena, struct str *key_out)
{
	char  *plain;
	size_t len = 0;

	if (text.len == 0 || text.at[0] != '\'') {
		*key_out = text;
		return text.len == 0 || str_find(text, '\'') == text.len;
	}
	if (text.len < 2 || text.at[text.len - 1] != '\'')
		return false;
	text = str_of(text.at + 1, text.len - 2);
	plain = arena_take_raw(arena, text.len);
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '\'' && (i + 1 == text.len || text.at[++i] != '\''))
			return false;
		plain[len++] = text.at[i];
	}
	*key_out = str_of(plain, len);
	return true;
}

/* The bracket must be written as such or encoded; it is looked for after decoding, ids in segments hold none. */
static bool
read_piece(struct str text, struct arena *arena, struct piece *piece_out)
{
	size_t open = str_find(text, '(');

	*piece_out = (struct piece){ .name = text };
	if (open == text.len || open == 0 || text.at[text.len - 1] != ')')
		return true;
	piece_out->name = str_first(text, open);
	piece_out->has_key = true;
	return unquote(str_of(text.at + open + 1, text.len - open - 2), arena, &piece_out->key);
}

static enum err
divide(struct str path, struct arena *arena, struct pieces *pieces_out)
{
	struct str raw, text;

	pieces_out->count = 0;
	path = str_skip(path, 1);
	while (str_take_until(&path, '/', &raw)) {
		struct piece *piece = &pieces_out->at[pieces_out->count];

		if (pieces_out->count == SEGMENTS_MAX)
			return ERR_BAD_REQUEST;
		TRY(uri_decode(raw, arena, &text));
		if (!read_piece(text, arena, piece))
			return ERR_BAD_REQUEST;
		pieces_out->count++;
	}
	return OK;
}

static bool
is(const struct piece *piece, const char *name)
{
	return !piece->has_key && str_eq_nocase(piece->name, str_from_c(name));
}

/* A collection with its key: name('key'), or name and the next segment. Moves *at past it. */
static bool
take_keyed(const struct pieces *pieces, size_t *at, const char *name, struct str *key_out)
{
	const struct piece *piece = &pieces->at[*at];

	if (*at >= pieces->count || !str_eq_nocase(piece->name, str_from_c(name)))
		return false;
	if (piece->has_key) {
		*key_out = piece->key;
		*at += 1;
		return piece->key.len > 0;
	}
	if (*at + 1 >= pieces->count)
		return false;
	/* A key that holds brackets of its own came apart: put it together. */
	piece++;
	if (piece->has_key)
		return false;
	*key_out = piece->name;
	*at += 2;
	return piece->name.len > 0;
}

static bool
is_function(const struct piece *piece, const char *name, const char *qualified)
{
	if (piece->has_key && piece->key.len > 0)
		return false;
	return str_eq_nocase(piece->name, str_from_c(name)) || str_eq_nocase(piece->name, str_from_c(qualified));
}

static void
unknown_at(const struct pieces *pieces, size_t at, struct route *route)
{
	route->kind = ROUTE_UNKNOWN;
	route->unknown = at < pieces->count ? pieces->at[at].name : STR_EMPTY;
}

/* What stands behind the user. */
static void
parse_mailbox(const struct pieces *pieces, size_t at, struct route *route)
{
	size_t start = at;

	if (at < pieces->count && is(&pieces->at[at], "calendar")) {
		route->kind = ROUTE_DEFAULT_CALENDAR;
		at++;
	} else if (at < pieces->count && is(&pieces->at[at], "calendars") && at + 1 == pieces->count) {
		route->kind = ROUTE_CALENDARS;
		at++;
	} else if (at + 1 < pieces->count && is(&pieces->at[at], "calendars") &&
	           is_function(&pieces->at[at + 1], "delta", "microsoft.graph.delta")) {
		route->kind = ROUTE_CALENDARS_DELTA;
		at += 2;
	} else if (take_keyed(pieces, &at, "calendars", &route->id)) {
		route->kind = ROUTE_CALENDAR;
	}
	if (route->kind == ROUTE_UNKNOWN || at != pieces->count)
		unknown_at(pieces, at == start ? start : at, route);
}

static bool
parse_version(const struct pieces *pieces, struct route *route)
{
	if (is(&pieces->at[0], "beta"))
		route->beta = true;
	else if (!is(&pieces->at[0], "v1.0"))
		return false;
	return true;
}

enum err
route_parse(struct str path, struct arena *arena, struct route *route_out)
{
	struct pieces pieces;
	struct route  route = { .kind = ROUTE_UNKNOWN };
	size_t        at = 1;

	TRY(divide(path, arena, &pieces));
	if (pieces.count == 0) {
		route.kind = ROUTE_SERVICE;
	} else if (!parse_version(&pieces, &route)) {
		unknown_at(&pieces, 0, &route);
	} else if (pieces.count == 1) {
		route.kind = ROUTE_SERVICE;
	} else if (pieces.count == 2 && is(&pieces.at[1], "$metadata")) {
		route.kind = ROUTE_METADATA;
	} else if (is(&pieces.at[1], "me")) {
		route.me = true;
		parse_mailbox(&pieces, 2, &route);
	} else if (take_keyed(&pieces, &at, "users", &route.user)) {
		parse_mailbox(&pieces, at, &route);
	} else {
		unknown_at(&pieces, 1, &route);
	}
	*route_out = route;
	return OK;
}
