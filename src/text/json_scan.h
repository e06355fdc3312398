/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_scan — the rules jansson does not have, looked for on the bytes before it sees them:
 * size, number of values, nesting, UTF-8, byte order mark, \u0000, and everything about
 * what may stand inside a string.  The grammar around the strings is left to jansson.
 * Private to this room.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct json_fault {
	const char *what;        /* the beginning of a sentence, to be followed by the place */
	size_t      offset;      /* of the byte at fault, from 0 */
};

/* ERR_BAD_REQUEST or ERR_TOO_LARGE, with the first fault found. */
enum err json_scan(struct str text, struct json_fault *fault_out) MUST_CHECK;
