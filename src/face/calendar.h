/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calendar — the calendar resource: its properties, how one is made, changed, stored and shown.
 *
 * Stored ready to send: the whole beta object as JSON text in the order of Graph's own sample,
 * behind a few bytes that say which stretches /v1.0 leaves out.  Unknown properties of an import
 * are kept, byte for byte, after the known ones.
 *
 * The functions that take a store_txn check, then write; a refusal is set by store_fail() and the
 * sentence stands in *why_out (from the arena).  ERR_BAD_REQUEST bad value · ERR_CONFLICT name taken ·
 * ERR_NOT_FOUND · ERR_NOT_ALLOWED default calendar removed, calendar may not be edited · ERR_STALE.
 */
#pragma once

#include "auth/directory.h"
#include "base/clock.h"
#include "store/store.h"

struct calendar_ctx {                    /* in whose mailbox, and from what */
	struct store_feed     feed;
	const struct user    *owner;
	const struct entropy *entropy;
	struct arena         *arena;
};

/* ---- from outside: JSON text that json_read() has accepted and that is an object -------------- */

/* Is this a calendar an import may bring? Needs no store. */
enum err calendar_check_import(struct str value, struct arena *arena, struct str *why_out) MUST_CHECK;
/* Puts it: id, changeKey and unknown properties kept as given, missing ones filled; at most one default. */
void calendar_put_import(struct store_txn *txn, const struct calendar_ctx *ctx, struct str value, struct str *why_out);

/* POST: name needed, unique; color, calendarGroupId (beta). */
void calendar_create(struct store_txn *txn, const struct calendar_ctx *ctx, struct str value, struct item *item_out,
                     struct str *why_out);
/* PATCH: name, color, isDefaultCalendar, defaultOnlineMeetingProvider. if_match: a changeKey, or empty. */
void calendar_update(struct store_txn *txn, const struct calendar_ctx *ctx, struct str id, struct str if_match,
                     struct str value, struct item *item_out, struct str *why_out);
void calendar_remove(struct store_txn *txn, const struct calendar_ctx *ctx, struct str id, struct str if_match,
                     struct str *why_out);
/* The default `Calendar` of a mailbox that has never had one. Does nothing if the feed exists. */
void calendar_ensure_default(struct store_txn *txn, const struct calendar_ctx *ctx);
/* The same for a mailbox that has calendars but, by what was imported or removed, no default one. */
void calendar_require_default(struct store_txn *txn, const struct calendar_ctx *ctx);

/* ---- to outside ---------------------------------------------------------------------------------- */

/* A stored body in the pieces to send: for beta one, for v1.0 what stands between the cuts. Starts with '{'. */
#define CALENDAR_PIECES_MAX 8
size_t     calendar_pieces(struct str body, bool beta, struct str pieces_out[CALENDAR_PIECES_MAX]);
struct str calendar_json(struct str body, bool beta, struct arena *arena);     /* the pieces joined */
struct str calendar_change_key(struct str body);                               /* for ETags; empty if damaged */

/* The names of an owner's calendar group of that class (a GUID's text): the same for ever. */
void calendar_group_names(const struct guid *owner, struct str group_class, struct arena *arena, struct str *id_out,
                          struct str *change_key_out);

/* Is a stored body what calendar_body() makes, for that id? For `store check`. */
bool calendar_body_is_sound(struct str body, struct str id, struct arena *arena);

/* Could this be an Exchange id at all? */
bool calendar_id_is_shaped(struct str id);
