/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_string — the text between the quotes of a JSON string.  Private to this module:
 * the reader, the walker and the writer must agree on it to the byte.
 */
#pragma once

#include "base/str.h"

/* How many bytes stand for themselves before the first quote, backslash or control byte. */
size_t json_plain_len(struct str text);

/*
 * Takes one escape off *rest, which begins with its backslash; the two escapes of a surrogate pair are taken as one.
 * False, and nothing taken, if it means no character.
 */
bool json_take_escape(struct str *rest, uint32_t *rune_out);
/* One half of a surrogate pair: written as JSON wants it, but it stands for no character. */
#define JSON_UNIT_LEN 6
bool json_is_surrogate(struct str text);
