/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recording — the callRecording resource: what an import or a POST may bring, how it is stored and sent.
 *
 * A recording is stored ready to send: the object as JSON text, behind a few bytes that a page needs without parsing.
 * They say when it was created, where the value of recordingContentUrl is (the server's own URL replaces it), and which
 * file holds the content.  The item's second key is the meetingId.  Unknown properties of an import are kept unchanged,
 * after the known ones.
 *
 * Only creation and removal give a recording a new seq.  A repeated import and new content rewrite it under its old
 * seq, so no reader gets it twice.
 *
 * The functions that take a store_txn check, then write.  An error fails the transaction, with a sentence in *why_out
 * (from the arena).
 */
#pragma once

#include "base/clock.h"
#include "content/content.h"
#include "resource/resource.h"

/* The rows that code names, in the order of the descriptor; a new row needs no name here. */
enum recording_row {
	RECORDING_ID,
	RECORDING_MEETING,
	RECORDING_CALL,
	RECORDING_CORRELATION,
	RECORDING_CREATED,
	RECORDING_END,
	RECORDING_URL,
	RECORDING_ORGANIZER
};

/* What the stored body says without being parsed. */
struct recording {
	int64_t            created_ns;
	bool               has_content;
	bool               has_url; /* it was imported with a recordingContentUrl */
	struct content_ref content;
	struct str         json;
	size_t             url_at, url_len; /* of recordingContentUrl's value in json */
	size_t             row_count;       /* of the resource when it was stored */
};

bool recording_read(struct str body, struct recording *recording_out); /* false: damaged */

/* The stored body; empty: it is too large. */
struct str recording_body(const struct recording *recording, struct arena *arena);

size_t   recording_pieces(const struct resource *resource, struct str body, const struct resource_sending *sending,
                          struct str pieces_out[RESOURCE_PIECES_MAX]);
enum err recording_content_of(struct str body, struct content_ref *ref_out);
bool     recording_read_values(const struct resource *resource, struct str body, const struct resource_sending *sending,
                               struct arena *arena, struct values *values_out);

/* ---- writes: `value` is the JSON text of an object that json_read() has accepted ------------------ */

/* `content` NULL: the recording keeps its content. */
void recording_put_import(const struct resource *resource, struct store_txn *txn, const struct resource_ctx *ctx,
                          struct str value, const struct content_ref *content, struct str *why_out);

struct recording_new {
	struct resource_ctx ctx;
	struct str          meeting; /* from the path */
	int64_t             now_ns;  /* createdDateTime if none is sent */
};

/* POST.  ERR_BAD_REQUEST · ERR_CONFLICT the id is taken. */
void recording_create(struct store_txn *txn, const struct recording_new *made, struct str value, struct item *item_out,
                      struct str *why_out);

/*
 * Links content to a recording of that meeting.  *old_out is the content before, if *had_old_out; its file can be
 * removed after the commit.  ERR_NOT_FOUND · ERR_STALE.
 */
struct recording_link {
	struct store_feed       feed;
	struct str              meeting, id;
	struct content_ref      content;
	const struct recording *seen; /* the content must still be the same; NULL: any */
};
void recording_link_content(struct store_txn *txn, const struct recording_link *link, struct arena *arena,
                            struct content_ref *old_out, bool *had_old_out);
