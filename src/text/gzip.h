/* SPDX-License-Identifier: Apache-2.0 */
/* gzip — one whole text packed for the wire, or unpacked (RFC 1952). */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* False when packing would not make it smaller; packed_out is in the arena. */
bool gzip_pack(struct str text, struct arena *arena, struct str *packed_out);
/*
 * Takes `max` + 1 bytes of the arena.  Several members, one behind the other, are one text.
 * ERR_TOO_LARGE: the text has more than `max` bytes; ERR_BAD_REQUEST: not gzip, cut short, or damaged.
 */
enum err gzip_unpack(struct str packed, size_t max, struct arena *arena, struct str *text_out) MUST_CHECK;
