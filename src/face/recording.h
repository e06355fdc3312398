/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recording — the callRecording resource: what an import may bring and how it is stored.
 *
 * The body is the object's JSON text as given (control information left out); the item's second
 * key is its meetingId.  Only creation and removal give a recording a seq: a repeated import
 * rewrites it where it stands.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "store/store.h"

enum err recording_check_import(struct str value, struct arena *arena, struct str *why_out) MUST_CHECK;
void     recording_put_import(struct store_txn *txn, const struct store_feed *feed, const struct entropy *entropy,
                              struct str value, struct arena *arena, struct str *why_out);
/* The JSON object of a stored recording. */
struct str recording_json(struct str body);
