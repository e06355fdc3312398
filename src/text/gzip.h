/* SPDX-License-Identifier: Apache-2.0 */
/* gzip — one whole text packed for the wire (RFC 1952). */
#pragma once

#include "base/arena.h"
#include "base/str.h"

/* False when packing would not make it smaller; packed_out is in the arena. */
bool gzip_pack(struct str text, struct arena *arena, struct str *packed_out);
