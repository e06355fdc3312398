/* SPDX-License-Identifier: Apache-2.0 */
/*
 * b64 — base64 and base64url (RFC 4648 sections 4 and 5).
 *
 * Decoding is strict: no blanks, no spare bits, padding exactly as asked.
 */
#pragma once

#include "base/arena.h"
#include "base/str.h"

enum b64_form {
	B64_URL,        /* - _ , no padding: tokens, JWS */
	B64_URL_PADDED, /* - _ , padded with =: Graph's ids */
	B64_STANDARD    /* + / , padded with =: changeKey, batch bodies */
};

#define B64_MAX(n) (((n) + 2) / 3 * 4)

size_t     b64_encode_into(enum b64_form form, const void *bytes, size_t len, char *text_out); /* length written */
struct str b64_encode(enum b64_form form, const void *bytes, size_t len, struct arena *arena);
/* False if not exactly that form, or longer than size_max; then ignore bytes_out. */
bool b64_decode_into(enum b64_form form, struct str text, void *bytes_out, size_t size_max, size_t *len_out);
bool b64_decode(enum b64_form form, struct str text, struct arena *arena, struct str *bytes_out);
