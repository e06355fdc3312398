/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields — the header fields of every answer, and the last touch to its body: the level asked for,
 * compression, what browsers on other sites may do.  Private to the face room.
 */
#pragma once

#include "face/call.h"

/* Is the host of a Host field this very machine? */
bool fields_is_loopback(struct str authority);
/* Fields that every answer has, refusals too. */
void fields_put_common(struct call *call);
/* Notes a preference that was honoured; fields_finish() names them all in one Preference-Applied. */
void fields_note_applied(struct call *call, struct str preference);
/* An answer that went well: its Content-Type, its level, its preferences. */
void fields_finish(struct call *call);
/* Packs the body if the client takes that and it is worth it. Not for batched answers. */
void fields_pack(struct call *call);
/* OPTIONS: what may be done here, and a browser's question about it. `methods` may be empty. */
void fields_answer_options(struct call *call, struct str methods);
