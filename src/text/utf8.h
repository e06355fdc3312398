/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8 — which bytes are UTF-8 (table 3-7 of the Unicode standard: nothing overlong, no
 * surrogates, nothing above U+10FFFF).  Private to this module; utf8_valid() is in uri.h.
 */
#pragma once

#include "base/str.h"

/* How many bytes are good before the first that is not; text.len when all are. */
size_t utf8_good_len(struct str text);

/*
 * Text that begins with bytes that are not UTF-8: how many of them one U+FFFD stands for, as browsers count
 * (the maximal subpart of section 3.9 of the Unicode standard).  `text` is not empty.
 */
size_t utf8_bad_len(struct str text);

/* Writes the 1 to 4 bytes of a character and gives their number.  A surrogate is a bug. */
size_t utf8_put(uint32_t rune, char bytes_out[4]);
