/* SPDX-License-Identifier: Apache-2.0 */
/* graph_content — the bytes of a recording: GET sends a file, PUT streams one in and links it in one commit. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/file.h"
#include "graph/calls.h"
#include "graph/range.h"
#include "resource/followed.h"
#include "resource/recording.h"

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
		if (!recording.has_content || !call->graph->parts.content)
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
send_file(struct call *call, const struct content_ref *ref, struct str etag, int *fd)
{
	uint64_t        from = 0, len = ref->size;
	enum range_kind kind = range_read(wanted_range(call, etag), ref->size, &from, &len);

	if (kind == RANGE_OUTSIDE) {
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
	http_resp_file(call->resp, *fd, from, len);
	*fd = -1;
	return OK;
}

static enum err
answer_content(struct call *call, const struct content_ref *ref, struct str etag, int *fd)
{
	TRY(check_if_match(call, etag));
	http_resp_field(call->resp, "ETag", etag);
	http_resp_field(call->resp, "Accept-Ranges", STR("bytes"));
	call->is_private = true;
	http_resp_field(call->resp, "X-Content-Type-Options", STR("nosniff"));
	if (is_known_already(call, etag)) {
		http_resp_status(call->resp, 304);
		return OK;
	}
	return send_file(call, ref, etag, fd);
}

static const enum option no_options[] = { OPTION_KINDS };

enum err
graph_get_content(struct call *call)
{
	AUTO(file_close) int fd = -1;
	struct content_ref   ref;

	TRY(query_allow(call, no_options, "on content", "Leave them out."));
	TRY(open_content(call, &ref, &fd));
	return answer_content(call, &ref, etag_of(&ref, call->arena), &fd);
}

/* A file of that name is whole and never changes: another version takes its place. */
enum err
graph_get_followed_content(struct call *call)
{
	AUTO(file_close) int dir = open(call->route.served->content_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO(file_close) int fd = -1;
	struct content_ref   ref = { .size = 0 };
	struct stat          info;
	struct item          item;
	struct str           name, etag;
	enum err             err;

	TRY(query_allow(call, no_options, "on content", "Leave them out."));
	TRY(store_get(call->graph->parts.store, &call->feed, call->route.id, call->arena, &item));
	/* The folder may have files of other scopes. */
	err = store_get_content_file(call->graph->parts.store, &call->feed, call->route.id, call->arena, &name);
	if (err == ERR_NOT_FOUND)
		return call_refuse(call, GRAPH_NO_CONTENT, STR_EMPTY);
	TRY(err);
	if (name.len == 0)
		name = resource_content_file_older(call->route.id, call->arena);
	fd = dir < 0 ? -1 : content_open_source(dir, arena_c(call->arena, name));
	if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
		return call_refuse(call, GRAPH_NO_CONTENT, STR_EMPTY);
	ref.size = (uint64_t)info.st_size;
	etag = arena_printf(call->arena, "\"%llx-%llx-%llx\"", (unsigned long long)info.st_ino,
	                    (unsigned long long)info.st_mtim.tv_sec, (unsigned long long)info.st_mtim.tv_nsec);
	return answer_content(call, &ref, etag, &fd);
}

/* ---- PUT ------------------------------------------------------------------------------------------------- */

static enum err
refuse_body(struct call *call, enum err err)
{
	switch (err) {
	case ERR_TOO_LARGE:
		return call_refuse_f(call, GRAPH_TOO_LARGE, "The content of a recording may have %llu bytes here.",
		                     (unsigned long long)call->graph->parts.content_max);
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

/* What is kept from one piece to the next. */
struct upload {
	struct recording      seen;
	struct content_write *write;
};

static enum err
begin_upload(struct call *call)
{
	static const enum option none[] = { OPTION_KINDS };
	struct upload           *upload = arena_take(call->arena, sizeof(*upload));

	TRY(query_allow(call, none, "on content", "Leave them out."));
	if (!call->graph->parts.content)
		return call_refuse(call, GRAPH_METHOD, STR("This store has no place for the content of recordings."));
	TRY(check_headers(call));
	TRY(find_recording(call, &upload->seen));
	TRY(check_conditions(call, &upload->seen));
	upload->write = content_begin(call->graph->parts.content, call->req->body_announced, &call->caller.oid);
	call->slice = upload;
	return OK;
}

static enum err
take_piece(struct call *call, struct upload *upload)
{
	const struct http_req *req = call->req;
	struct content_ref     ref;

	TRY(content_write_err(upload->write));
	TRY(refuse_body(call, req->body_err));
	content_put(upload->write, req->body.at, req->body.len);
	if (req->streamed && !req->body_over)
		return call_pause(call, HTTP_MORE_BODY);
	TRY(content_finish(upload->write, &ref));
	TRY(link_content(call, upload->write, &ref, is_conditional(call) ? &upload->seen : NULL));
	http_resp_status(call->resp, 204);
	http_resp_field(call->resp, "ETag", etag_of(&ref, call->arena));
	return OK;
}

enum err
graph_put_content(struct call *call)
{
	enum err err;

	if (!call->slice)
		TRY(begin_upload(call));

	struct upload *upload = call->slice;

	err = take_piece(call, upload);
	if (!call_goes_on(call))
		content_end(&upload->write);
	return err;
}
