/* SPDX-License-Identifier: Apache-2.0 */
/* graph_content — the bytes of a recording: GET sends a file, PUT streams one in and links it in one commit. */
#include <unistd.h>

#include "base/bytes.h"
#include "graph/calls.h"
#include "graph/range.h"
#include "resource/recording.h"

#define PIECE_BYTES ((size_t)64 << 10)
/* The file may be replaced after the item is read and before it is opened; then the item is read again. */
#define TRIES_MAX 4

#define ETAG_LEN (2 + 2 * CONTENT_HASH_BYTES)

static struct str
etag_of(const struct content_ref *ref, struct arena *arena)
{
	char *text = arena_take_raw(arena, ETAG_LEN);

	text[0] = text[ETAG_LEN - 1] = '"';
	hex_write(ref->sha256, CONTENT_HASH_BYTES, text + 1);
	return str_of(text, ETAG_LEN);
}

static enum err
find_recording(struct call *call, struct recording *recording_out)
{
	struct item item;

	TRY(call_get_recording(call, &item));
	return recording_read(item.body, recording_out) ? OK : ERR_CORRUPT;
}

/* ---- GET ------------------------------------------------------------------------------------------------- */

static enum err
open_content(struct call *call, struct content_ref *ref_out, int *fd_out)
{
	struct recording recording;
	enum err         err = ERR_NOT_FOUND;

	for (int tries = 0; err == ERR_NOT_FOUND && tries < TRIES_MAX; tries++) {
		TRY(find_recording(call, &recording));
		if (!recording.has_content)
			return call_refuse(call, GRAPH_NO_CONTENT, STR_EMPTY);
		err = content_read(call->graph->parts.content, &recording.content, fd_out);
	}
	*ref_out = recording.content;
	/* The item says there is content, so a missing file is damage. */
	return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

/* If-Range holds a tag or a date.  Content has no date, so a date never matches. */
static struct str
wanted_range(const struct call *call, struct str etag)
{
	struct str range = http_req_field(call->req, "Range"), condition = http_req_field(call->req, "If-Range");

	if (call->req->method != HTTP_GET || (condition.at && !str_eq(condition, etag)))
		return STR_EMPTY;
	return range;
}

static bool
is_known_already(const struct call *call, struct str etag)
{
	struct str list = http_req_field(call->req, "If-None-Match");

	return list.at && etag_list_has(list, etag, true);
}

static enum err
check_if_match(struct call *call, struct str etag)
{
	struct str list = http_req_field(call->req, "If-Match");

	if (!list.at || etag_list_has(list, etag, false))
		return OK;
	return call_refuse(call, GRAPH_CONDITION, STR_EMPTY);
}

static enum err
send_file(struct call *call, const struct content_ref *ref, struct str etag, int fd)
{
	uint64_t        from = 0, len = ref->size;
	enum range_kind kind = range_read(wanted_range(call, etag), ref->size, &from, &len);

	if (kind == RANGE_OUTSIDE) {
		(void)close(fd);
		http_resp_field(call->resp, "Content-Range",
		                arena_printf(call->arena, "bytes */%llu", (unsigned long long)ref->size));
		return call_refuse(call, GRAPH_RANGE, STR_EMPTY);
	}
	if (kind == RANGE_PART) {
		http_resp_status(call->resp, 206);
		http_resp_field(call->resp, "Content-Range",
		                arena_printf(call->arena, "bytes %llu-%llu/%llu", (unsigned long long)from,
		                             (unsigned long long)(from + len - 1), (unsigned long long)ref->size));
	}
	http_resp_field(call->resp, "Content-Type", STR("video/mp4"));
	http_resp_file(call->resp, fd, from, len);
	return OK;
}

enum err
graph_get_content(struct call *call)
{
	static const enum option none[] = { OPTION_KINDS };
	struct content_ref       ref;
	struct str               etag;
	enum err                 err;
	int                      fd;

	TRY(query_allow(call, none, "on content", "Leave them out."));
	TRY(open_content(call, &ref, &fd));
	etag = etag_of(&ref, call->arena);
	err = check_if_match(call, etag);
	if (err != OK) {
		(void)close(fd);
		return err;
	}
	http_resp_field(call->resp, "ETag", etag);
	http_resp_field(call->resp, "Accept-Ranges", STR("bytes"));
	call->is_private = true;
	http_resp_field(call->resp, "X-Content-Type-Options", STR("nosniff"));
	if (is_known_already(call, etag)) {
		(void)close(fd);
		http_resp_status(call->resp, 304);
		return OK;
	}
	return send_file(call, &ref, etag, fd);
}

/* ---- PUT ------------------------------------------------------------------------------------------------- */

static enum err
refuse_body(struct call *call, enum err err)
{
	switch (err) {
	case ERR_TOO_LARGE:
		return call_refuse(call, GRAPH_TOO_LARGE,
		                   arena_printf(call->arena, "The content of a recording may have %llu bytes here.",
		                                (unsigned long long)call->graph->parts.content_max));
	/* The connection broke. */
	case ERR_BAD_REQUEST:
	case ERR_IO:
		return call_refuse(call, GRAPH_CUT, STR_EMPTY);
	case ERR_BUSY:
		return call_refuse(call, GRAPH_LATE, STR_EMPTY);
	default:
		return err;
	}
}

/* A part of the content, or compressed content, must not be stored as the whole (RFC 9110, 14.5 and 8.4). */
static enum err
check_headers(struct call *call)
{
	struct str encoding = http_req_field(call->req, "Content-Encoding");

	if (http_req_field(call->req, "Content-Range").at)
		return call_refuse(call, GRAPH_BODY, STR("Content is replaced as a whole; leave out Content-Range."));
	if (encoding.at && !str_eq_nocase(encoding, STR("identity")))
		return call_refuse(call, GRAPH_CONTENT_TYPE,
		                   STR("Content must be sent as it is, without a Content-Encoding."));
	return refuse_body(call, call->req->body_announced > call->graph->parts.content_max ? ERR_TOO_LARGE : OK);
}

static enum err
check_conditions(struct call *call, const struct recording *recording)
{
	struct str etag = recording->has_content ? etag_of(&recording->content, call->arena) : STR_EMPTY;
	struct str match = http_req_field(call->req, "If-Match"), none = http_req_field(call->req, "If-None-Match");

	if (match.at && (!recording->has_content || !etag_list_has(match, etag, false)))
		return call_refuse(call, GRAPH_CONDITION, STR_EMPTY);
	if (none.at && recording->has_content && etag_list_has(none, etag, true))
		return call_refuse(call, GRAPH_CONDITION, STR_EMPTY);
	return OK;
}

static enum err
receive(struct call *call, struct content_write *write)
{
	char  *piece = arena_take_raw(call->arena, PIECE_BYTES);
	size_t len;

	do {
		TRY(content_write_err(write));
		TRY(refuse_body(call, http_req_read(call->req, piece, PIECE_BYTES, &len)));
		content_put(write, piece, len);
	} while (len > 0);
	return OK;
}

/* The content is durable now, and the commit makes it the recording's. */
static enum err
link_content(struct call *call, struct content_write *write, const struct content_ref *ref,
             const struct recording *seen)
{
	struct recording_link               link = { call->feed, call->route.meeting, call->route.id, *ref, seen };
	AUTO(store_abort) struct store_txn *txn = store_begin(call->graph->parts.store, NULL, call->arena);
	struct content_ref                  old;
	bool                                had_old = false;
	enum err                            err;

	recording_link_content(txn, &link, call->arena, &old, &had_old);
	err = store_commit(&txn);
	if (err == OK && had_old)
		content_remove(call->graph->parts.content, old.id);
	/* If the commit is unsure both files stay; `store gc` later removes the one that is not needed. */
	if (err == OK || err == ERR_UNSURE)
		content_keep(write);
	if (err == ERR_NOT_FOUND)
		return call_refuse(call, GRAPH_NO_ITEM, STR_EMPTY);
	if (err == ERR_STALE)
		return call_refuse(call, GRAPH_CONDITION, STR_EMPTY);
	return err;
}

static bool
is_conditional(const struct call *call)
{
	return http_req_field(call->req, "If-Match").at || http_req_field(call->req, "If-None-Match").at;
}

enum err
graph_put_content(struct call *call)
{
	static const enum option none[] = { OPTION_KINDS };
	struct recording         recording;
	struct content_ref       ref;

	TRY(query_allow(call, none, "on content", "Leave them out."));
	TRY(check_headers(call));
	TRY(find_recording(call, &recording));
	TRY(check_conditions(call, &recording));

	AUTO(content_end)
	struct content_write *write = content_begin(call->graph->parts.content, call->req->body_announced,
	                                            &call->caller.oid);

	TRY(receive(call, write));
	TRY(content_finish(write, &ref));
	TRY(link_content(call, write, &ref, is_conditional(call) ? &recording : NULL));
	http_resp_status(call->resp, 204);
	http_resp_field(call->resp, "ETag", etag_of(&ref, call->arena));
	return OK;
}
