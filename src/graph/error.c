/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/error.h"

static const struct error_row rows[] = {
#define X(name, err, status, code, message) { err, status, code, message },
	GRAPH_TABLE(X)
#undef X
};

const struct error_row *
error_row(enum graph_error error)
{
	MUST((size_t)error < COUNT_OF(rows));
	return &rows[error];
}

bool
error_is_busy(enum graph_error error)
{
	return error_row(error)->status == 429 || error_row(error)->status == 503;
}

enum graph_error
error_for(enum err err)
{
	switch (err) {
	case OK:
		return GRAPH_NONE;
	case ERR_BAD_REQUEST:
		return GRAPH_BAD_URL;
	case ERR_BAD_TOKEN:
		return GRAPH_STATE_TOKEN;
	case ERR_GONE:
		return GRAPH_GONE;
	case ERR_NO_IDENTITY:
		return GRAPH_BAD_BEARER;
	case ERR_NOT_ALLOWED:
		return GRAPH_NOT_ALLOWED;
	case ERR_NOT_FOUND:
		return GRAPH_NO_ITEM;
	case ERR_CONFLICT:
		return GRAPH_NAME_TAKEN;
	case ERR_STALE:
		return GRAPH_STALE;
	case ERR_TOO_LARGE:
		return GRAPH_TOO_LARGE;
	case ERR_FULL:
		return GRAPH_FULL;
	case ERR_BUSY:
	case ERR_LOCKED:
	case ERR_UNSURE:
		return GRAPH_BUSY;
	case ERR_CORRUPT:
	case ERR_FOREIGN:
	case ERR_IO:
	case ERR_UP_REFUSED:
	case ERR_UP_GARBLED:
		return GRAPH_BROKEN;
	}
	return GRAPH_BROKEN;
}
