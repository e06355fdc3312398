/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calendar — the calendar resource: how one is created, changed and stored.
 *
 * A calendar is stored ready to send: the whole beta object as JSON text in the order of Graph's own sample, behind a
 * few bytes that say which parts /v1.0 leaves out.  Unknown members of an import are kept unchanged, after the known
 * ones.
 *
 * The functions that take a store_txn check, then write.  An error fails the transaction, with a sentence in *why_out
 * (from the arena).  ERR_BAD_REQUEST bad value · ERR_CONFLICT the name is taken · ERR_NOT_FOUND · ERR_NOT_ALLOWED the
 * calendar may not be edited · ERR_STALE.
 */
#pragma once

#include "base/clock.h"
#include "resource/resource.h"
#include "resource/values.h"

#define CALENDAR_FEED 1 /* the number of feeds of calendars */

/* The rows that code names, in the order of the descriptor; a new row needs no name here. */
enum calendar_row {
	CALENDAR_ID,
	CALENDAR_NAME,
	CALENDAR_COLOR,
	CALENDAR_HEX_COLOR,
	CALENDAR_GROUP_CLASS,
	CALENDAR_IS_DEFAULT,
	CALENDAR_CHANGE_KEY,
	CALENDAR_CAN_SHARE,
	CALENDAR_CAN_VIEW,
	CALENDAR_IS_SHARED,
	CALENDAR_IS_SHARED_ME,
	CALENDAR_CAN_EDIT,
	CALENDAR_GROUP,
	CALENDAR_PROVIDERS,
	CALENDAR_PROVIDER,
	CALENDAR_TALLYING,
	CALENDAR_REMOVABLE,
	CALENDAR_OWNER
};

/* ---- writes: `value` is the JSON text of an object that json_read() has accepted ------------------------- */

/* Keeps id, changeKey and unknown members as given and fills the missing ones.  content: NULL. */
void calendar_put_import(const struct resource *resource, struct store_txn *txn, const struct resource_ctx *ctx,
                         struct str value, const struct content_ref *content, struct str *why_out);
/* POST. */
void calendar_create(struct store_txn *txn, const struct resource_ctx *ctx, struct str value, struct item *item_out,
                     struct str *why_out);
/* PATCH.  if_match: a changeKey, or empty. */
void calendar_update(struct store_txn *txn, const struct resource_ctx *ctx, struct str id, struct str if_match,
                     struct str value, struct item *item_out, struct str *why_out);
/* ERR_CONFLICT: it is the default calendar. */
void calendar_remove(struct store_txn *txn, const struct resource_ctx *ctx, struct str id, struct str if_match,
                     struct str *why_out);
/* Creates the default `Calendar` of a new mailbox.  Does nothing if the feed exists. */
void calendar_ensure_default(struct store_txn *txn, const struct resource_ctx *ctx);
/* The same for a mailbox that has calendars but no default one, after an import. */
void calendar_require_default(struct store_txn *txn, const struct resource_ctx *ctx);

/* ---- the stored body --------------------------------------------------------------------------------------- */

/* Every row has a value. */
struct str calendar_body(const struct resource *resource, const struct values *calendar, struct arena *arena);
size_t     calendar_pieces(const struct resource *resource, struct str body, const struct resource_sending *sending,
                           struct str pieces_out[RESOURCE_PIECES_MAX]);
/* Its JSON, as a view; empty: it is damaged. */
struct str calendar_json(struct str body);
bool       calendar_read(const struct resource *resource, struct str body, const struct resource_sending *sending,
                         struct arena *arena, struct values *calendar_out);

/* calendar_color — `color` and `hexColor` of a calendar follow each other. */
/*
 * After a client's change: a new hexColor moves color to the nearest name, a cleared one to auto; a new color brings
 * its hexColor, if that is known.  ERR_BAD_REQUEST: the new hexColor is no "#rrggbb".
 */
enum err calendar_settle_color(const struct values *before, struct values *calendar, struct arena *arena,
                               struct str *why_out) MUST_CHECK;
