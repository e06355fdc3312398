/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error — the table of what can go wrong: status, Graph's code, message.  Private to the graph module.
 *
 * Clients branch on status and code; docs/graph.md says how sure each is.  The message is for people and names
 * what to do instead.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define GRAPH_TABLE(X) \
	X(GRAPH_NONE, OK, 200, "", "") \
	X(GRAPH_NO_TOKEN, ERR_NO_IDENTITY, 401, "InvalidAuthenticationToken", "Access token is empty.") \
	X(GRAPH_BAD_BEARER, ERR_NO_IDENTITY, 401, "InvalidAuthenticationToken", "Access token validation failure.") \
	X(GRAPH_NOT_ALLOWED, ERR_NOT_ALLOWED, 403, "ErrorAccessDenied", \
	  "Access is denied. Check credentials and try again.") \
	X(GRAPH_ME_NEEDS_USER, ERR_BAD_REQUEST, 400, "BadRequest", \
	  "/me request is only valid with delegated authentication flow.") \
	X(GRAPH_UNKNOWN_USER, ERR_NOT_FOUND, 404, "ErrorInvalidUser", "The requested user is invalid.") \
	X(GRAPH_UNKNOWN_SEGMENT, ERR_BAD_REQUEST, 400, "BadRequest", "Resource not found for the segment.") \
	X(GRAPH_BAD_URL, ERR_BAD_REQUEST, 400, "BadRequest", "The request URL cannot be understood.") \
	X(GRAPH_METHOD, ERR_BAD_REQUEST, 405, "Request_BadRequest", \
	  "Specified HTTP method is not allowed for the request target.") \
	X(GRAPH_ACCEPT, ERR_BAD_REQUEST, 406, "BadRequest", "None of the forms asked for can be sent.") \
	X(GRAPH_DEPENDENCY, ERR_BAD_REQUEST, 424, "FailedDependency", "A request this one depends on has failed.") \
	X(GRAPH_BATCH, ERR_BAD_REQUEST, 400, "BadRequest", "The batch cannot be understood.") \
	X(GRAPH_OPTION, ERR_BAD_REQUEST, 400, "ErrorInvalidUrlQuery", "The query is not valid.") \
	X(GRAPH_STATE_TOKEN, ERR_BAD_TOKEN, 400, "ErrorInvalidUrlQuery", \
	  "Badly formed token. Copy the whole @odata.nextLink or @odata.deltaLink, or start a new round " \
	  "without a token.") \
	X(GRAPH_GONE, ERR_GONE, 410, "SyncStateNotFound", "The sync state is no longer known.") \
	X(GRAPH_BODY, ERR_BAD_REQUEST, 400, "BadRequest", "The request body cannot be understood.") \
	X(GRAPH_CONTENT_TYPE, ERR_BAD_REQUEST, 415, "BadRequest", \
	  "The request body must be sent as Content-Type: application/json.") \
	X(GRAPH_CONTENT_CODING, ERR_BAD_REQUEST, 415, "BadRequest", \
	  "The Content-Encoding of the body is not accepted.") \
	X(GRAPH_MALFORMED_ID, ERR_BAD_REQUEST, 400, "ErrorInvalidIdMalformed", "Id is malformed.") \
	X(GRAPH_NO_ITEM, ERR_NOT_FOUND, 404, "ErrorItemNotFound", "The specified object was not found in the store.") \
	X(GRAPH_NAME_TAKEN, ERR_CONFLICT, 409, "ErrorFolderExists", \
	  "A folder with the specified name already exists.") \
	X(GRAPH_DEFAULT_STAYS, ERR_NOT_ALLOWED, 400, "ErrorDeleteDistinguishedFolder", \
	  "The default calendar cannot be deleted.") \
	X(GRAPH_STALE, ERR_STALE, 412, "ErrorIrresolvableConflict", \
	  "It has changed since; read it again and repeat the request with its new ETag.") \
	X(GRAPH_FORBIDDEN, ERR_NOT_ALLOWED, 403, "Forbidden", "Missing role permissions on the request.") \
	X(GRAPH_NO_POLICY, ERR_NOT_ALLOWED, 403, "Forbidden", \
	  "No application access policy found for this app on the user.") \
	X(GRAPH_ORGANIZER, ERR_BAD_REQUEST, 400, "BadRequest", "The userId must match organizerId.") \
	X(GRAPH_ARGUMENT, ERR_BAD_REQUEST, 400, "BadRequest", "A function parameter is not valid.") \
	X(GRAPH_NO_CONTENT, ERR_NOT_FOUND, 404, "RecordingContentNotAvailable", \
	  "The content of this recording has not arrived yet. Ask again later.") \
	X(GRAPH_EXISTS, ERR_CONFLICT, 409, "nameAlreadyExists", "A recording with this id already exists.") \
	X(GRAPH_CONDITION, ERR_STALE, 412, "resourceModified", \
	  "The content is not the one the request's condition names.") \
	X(GRAPH_CUT, ERR_BAD_REQUEST, 400, "BadRequest", \
	  "The body is not as long as was announced; nothing was stored.") \
	X(GRAPH_LATE, ERR_BUSY, 408, "BadRequest", "The body did not come in time; nothing was stored.") \
	X(GRAPH_RANGE, ERR_BAD_REQUEST, 416, "invalidRange", "The requested range lies outside the content.") \
	X(GRAPH_TOO_LARGE, ERR_TOO_LARGE, 413, "BadRequest", "The request is too large.") \
	X(GRAPH_FULL, ERR_FULL, 507, "ErrorQuotaExceeded", \
	  "The store's disk is full: nothing was changed. Reading goes on.") \
	X(GRAPH_HTTP_VERSION, ERR_BAD_REQUEST, 505, "BadRequest", "Use HTTP/1.1 or HTTP/2.") \
	X(GRAPH_THROTTLED, ERR_BUSY, 429, "ApplicationThrottled", \
	  "Too many requests of this caller are under way. Try again after the given time.") \
	X(GRAPH_BUSY, ERR_BUSY, 503, "ServiceUnavailable", "Try again after the given time.") \
	X(GRAPH_BROKEN, ERR_IO, 500, "InternalServerError", "The server failed; its log says why.")

enum graph_error {
#define X(name, err, status, code, message) name,
	GRAPH_TABLE(X)
#undef X
};

struct error_row {
	enum err    err;
	unsigned    status;
	const char *code;
	const char *message;
};

const struct error_row *error_row(enum graph_error error);
/* The same request may be sent again: 429 and 503, with Retry-After. */
bool error_is_busy(enum graph_error error);

/* The row for an error that came without one. */
enum graph_error error_for(enum err err);
