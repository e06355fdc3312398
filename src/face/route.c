/* SPDX-License-Identifier: Apache-2.0 */
#include "face/route.h"

#include "text/uri.h"

#define SEGMENTS_MAX 16

/* A path in pieces: users('x')/calendars gives "users", key "x", then "calendars". */
struct piece {
	struct str name;
	struct str key;
	bool       has_key;              /* brackets stood there, perhaps empty */
	struct str text;                 /* the whole of it */
};

struct pieces {
	struct piece at[SEGMENTS_MAX + 2];       /* behind the last stand two empty ones: to look ahead is to find nothing */
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

static bool
takes_arguments(struct str name)
{
	return str_eq_nocase(name, STR("getAllRecordings")) || str_eq_nocase(name, STR("microsoft.graph.getAllRecordings"));
}

/* The bracket must be written as such or encoded; it is looked for after decoding, ids in segments hold none. */
static bool
read_piece(struct str text, struct arena *arena, struct piece *piece_out)
{
	size_t open = str_find(text, '(');

	*piece_out = (struct piece){ .name = text, .text = text };
	if (open == text.len || open == 0 || text.at[text.len - 1] != ')')
		return true;
	piece_out->name = str_first(text, open);
	piece_out->has_key = true;
	piece_out->key = str_of(text.at + open + 1, text.len - open - 2);
	return takes_arguments(piece_out->name) || unquote(piece_out->key, arena, &piece_out->key);
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
	pieces_out->at[pieces_out->count] = pieces_out->at[pieces_out->count + 1] = (struct piece){ .has_key = false };
	return OK;
}

static bool
is(const struct piece *piece, const char *name)
{
	return !piece->has_key && str_eq_nocase(piece->name, str_from_c(name));
}

/* A collection with its key, which is not empty: name('key'), or name and the next segment.  Then it moves *at past it. */
static bool
take_keyed(const struct pieces *pieces, size_t *at, const char *name, struct str *key_out)
{
	const struct piece *piece = &pieces->at[*at];

	if (*at >= pieces->count || !str_eq_nocase(piece->name, str_from_c(name)))
		return false;
	if (piece->has_key) {
		*key_out = piece->key;
		*at += piece->key.len > 0 ? 1 : 0;
		return piece->key.len > 0;
	}
	/* A key that holds brackets of its own came apart: take it whole. */
	piece++;
	if (piece->text.len == 0)
		return false;
	*key_out = piece->text;
	*at += 2;
	return true;
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
	route->unknown = pieces->at[at < pieces->count ? at : pieces->count - 1].name;
}

static bool
is_delta(const struct pieces *pieces, size_t at)
{
	return at + 1 == pieces->count && is_function(&pieces->at[at], "delta", "microsoft.graph.delta");
}

/* What stands behind …/onlineMeetings; ROUTE_UNKNOWN if it is nothing we know. */
static void
parse_meetings(const struct pieces *pieces, size_t at, struct route *route)
{
	const struct piece *piece = &pieces->at[at + 1];
	size_t              start = at;

	if (!piece[-1].has_key && at + 1 < pieces->count && takes_arguments(piece->name)) {
		route->args = piece->key;
		if (at + 2 == pieces->count)
			route->kind = ROUTE_ALL_RECORDINGS;
		else if (is_delta(pieces, at + 2))
			route->kind = ROUTE_ALL_RECORDINGS_DELTA;
	} else if (take_keyed(pieces, &at, "onlineMeetings", &route->meeting) && at < pieces->count) {
		if (is(&pieces->at[at], "recordings") && at + 1 == pieces->count)
			route->kind = ROUTE_RECORDINGS;
		else if (is(&pieces->at[at], "recordings") && is_delta(pieces, at + 1))
			route->kind = ROUTE_RECORDINGS_DELTA;
		else if (take_keyed(pieces, &at, "recordings", &route->id) && at == pieces->count)
			route->kind = ROUTE_RECORDING;
		else if (at + 1 == pieces->count && route->id.len > 0 && is(&pieces->at[at], "content"))
			route->kind = ROUTE_CONTENT;
	}
	if (route->kind == ROUTE_UNKNOWN)
		route->unknown = at < pieces->count ? pieces->at[at].name : pieces->at[start].name;
}

static bool
is_permanent_delete(const struct pieces *pieces, size_t at)
{
	return at + 1 == pieces->count &&
	       is_function(&pieces->at[at], "permanentDelete", "microsoft.graph.permanentDelete");
}

/* What stands behind …/calendars, its key included; *at moves past what was understood. */
static void
parse_calendars(const struct pieces *pieces, size_t *at, struct route *route)
{
	if (is(&pieces->at[*at], "calendars") && *at + 1 == pieces->count) {
		route->kind = ROUTE_CALENDARS;
		*at += 1;
	} else if (is(&pieces->at[*at], "calendars") && is_function(&pieces->at[*at + 1], "delta", "microsoft.graph.delta")) {
		route->kind = ROUTE_CALENDARS_DELTA;
		*at += 2;
	} else if (take_keyed(pieces, at, "calendars", &route->id)) {
		route->kind = ROUTE_CALENDAR;
		if (is_permanent_delete(pieces, *at)) {
			route->kind = ROUTE_PERMANENT_DELETE;
			*at += 1;
		}
	}
}

static void
parse_groups(const struct pieces *pieces, size_t *at, struct route *route)
{
	if (is(&pieces->at[*at], "calendarGroups") && *at + 1 == pieces->count) {
		route->kind = ROUTE_GROUPS;
		*at += 1;
	} else if (take_keyed(pieces, at, "calendarGroups", &route->group)) {
		route->kind = ROUTE_GROUP;
		if (*at + 1 == pieces->count && is(&pieces->at[*at], "calendars")) {
			route->kind = ROUTE_GROUP_CALENDARS;
			*at += 1;
		}
	}
}

/* What stands behind the user. */
static void
parse_mailbox(const struct pieces *pieces, size_t at, struct route *route)
{
	size_t start = at;

	if (at < pieces->count && str_eq_nocase(pieces->at[at].name, STR("onlineMeetings"))) {
		parse_meetings(pieces, at, route);
		return;
	}
	if (at < pieces->count && is(&pieces->at[at], "calendar")) {
		route->kind = ROUTE_DEFAULT_CALENDAR;
		at++;
		if (is_permanent_delete(pieces, at)) {
			route->kind = ROUTE_PERMANENT_DELETE;
			at++;
		}
	} else if (at < pieces->count) {
		parse_calendars(pieces, &at, route);
		if (route->kind == ROUTE_UNKNOWN)
			parse_groups(pieces, &at, route);
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

bool
route_is_recordings(const struct route *route)
{
	return route->kind >= ROUTE_ALL_RECORDINGS && route->kind <= ROUTE_CONTENT;
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
	} else if (pieces.count == 2 && is(&pieces.at[1], "$batch")) {
		route.kind = ROUTE_BATCH;
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
