/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields — the header fields of every answer, and the last touch to its body: the level asked for,
 * compression, what browsers on other sites may do.  Private to the face module.
 */
#pragma once

#include "graph/call.h"

/* Is the host of a Host field this very machine? */
bool headers_is_loopback(struct str authority);
/* Fields that every answer has, refusals too. */
void headers_put_common(struct call *call);
/* Notes a preference that was honoured; headers_finish() names them all in one Preference-Applied. */
void headers_preference_applied(struct call *call, struct str preference);
/* An answer that went well: its Content-Type, its level, its preferences. */
void headers_finish(struct call *call);
/* Packs the body if the client takes that and it is worth it. Not for batched answers. */
void fields_pack(struct call *call);
/* OPTIONS: what may be done here, and a browser's question about it. `methods` may be empty. */
void headers_answer_options(struct call *call, struct str methods);
