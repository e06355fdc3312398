/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail — every way the face says no: status, Graph's code, a message.  Private to the face room.
 *
 * Clients branch on status and code; both come from protocol facts (docs/graph.md says how sure
 * each is).  The message is for people and names what to do instead.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#define REFUSAL_TABLE(X)                                                                                           \
	X(REFUSAL_NONE,            OK,              200, "",                           "")                         \
	X(REFUSAL_NO_TOKEN,        ERR_NO_IDENTITY, 401, "InvalidAuthenticationToken", "Access token is empty.")   \
	X(REFUSAL_BAD_BEARER,      ERR_NO_IDENTITY, 401, "InvalidAuthenticationToken",                             \
	  "Access token validation failure.")                                                                      \
	X(REFUSAL_NOT_ALLOWED,     ERR_NOT_ALLOWED, 403, "ErrorAccessDenied",                                      \
	  "Access is denied. Check credentials and try again.")                                                    \
	X(REFUSAL_ME_NEEDS_USER,   ERR_BAD_REQUEST, 400, "BadRequest",                                             \
	  "/me request is only valid with delegated authentication flow.")                                         \
	X(REFUSAL_UNKNOWN_USER,    ERR_NOT_FOUND,   404, "ErrorInvalidUser", "The requested user is invalid.")     \
	X(REFUSAL_UNKNOWN_SEGMENT, ERR_BAD_REQUEST, 400, "BadRequest", "Resource not found for the segment.")      \
	X(REFUSAL_BAD_URL,         ERR_BAD_REQUEST, 400, "BadRequest", "The request URL cannot be understood.")    \
	X(REFUSAL_METHOD,          ERR_BAD_REQUEST, 405, "Request_BadRequest",                                     \
	  "Specified HTTP method is not allowed for the request target.")                                          \
	X(REFUSAL_OPTION,          ERR_BAD_REQUEST, 400, "ErrorInvalidUrlQuery", "The query is not valid.")        \
	X(REFUSAL_STATE_TOKEN,     ERR_BAD_TOKEN,   400, "ErrorInvalidUrlQuery",                                   \
	  "Badly formed token. Copy the whole @odata.nextLink or @odata.deltaLink, or start a new round "          \
	  "without a token.")                                                                                      \
	X(REFUSAL_GONE,            ERR_GONE,        410, "SyncStateNotFound",                                      \
	  "The sync state is no longer known. Start a new round at the URL in the Location field.")                \
	X(REFUSAL_BODY,            ERR_BAD_REQUEST, 400, "BadRequest", "The request body cannot be understood.")   \
	X(REFUSAL_CONTENT_TYPE,    ERR_BAD_REQUEST, 415, "BadRequest",                                             \
	  "The request body must be sent as Content-Type: application/json.")                                      \
	X(REFUSAL_MALFORMED_ID,    ERR_BAD_REQUEST, 400, "ErrorInvalidIdMalformed", "Id is malformed.")            \
	X(REFUSAL_NO_ITEM,         ERR_NOT_FOUND,   404, "ErrorItemNotFound",                                      \
	  "The specified object was not found in the store.")                                                      \
	X(REFUSAL_NAME_TAKEN,      ERR_CONFLICT,    409, "ErrorFolderExists",                                      \
	  "A folder with the specified name already exists.")                                                      \
	X(REFUSAL_DEFAULT_STAYS,   ERR_NOT_ALLOWED, 400, "ErrorDeleteDistinguishedFolder",                         \
	  "The default calendar cannot be deleted.")                                                               \
	X(REFUSAL_STALE,           ERR_STALE,       412, "ErrorIrresolvableConflict",                              \
	  "The calendar has changed since; read it again and repeat the request with its new ETag.")               \
	X(REFUSAL_TOO_LARGE,       ERR_TOO_LARGE,   413, "BadRequest", "The request is too large.")                \
	X(REFUSAL_FULL,            ERR_FULL,        507, "ErrorQuotaExceeded",                                     \
	  "The store's disk is full: nothing was changed. Reading goes on.")                                       \
	X(REFUSAL_BUSY,            ERR_BUSY,        503, "ServiceUnavailable", "Try again after the given time.")  \
	X(REFUSAL_BROKEN,          ERR_IO,          500, "InternalServerError", "The server failed; its log says why.")

enum refusal {
#define X(name, err, status, code, message) name,
	REFUSAL_TABLE(X)
#undef X
};

struct refusal_row {
	enum err    err;
	unsigned    status;
	const char *code;
	const char *message;
};

const struct refusal_row *refusal_row(enum refusal refusal);

/* The row for an error nobody noted a refusal for. */
enum refusal refusal_for(enum err err);

struct call;

/* Replaces whatever answer there was by Graph's error. */
void fail_write(struct call *call, enum refusal refusal);
