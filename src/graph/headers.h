/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headers — the headers of every answer, and the last changes to its body: metadata level and compression.
 * Private to the graph module.
 */
#pragma once

#include "graph/call.h"

/* Does the value of a Host header name this machine? */
bool headers_is_loopback(struct str authority);
/* Headers that every answer has, error answers too. */
void headers_put_common(struct call *call);
/* Stores a preference that was honoured; headers_finish() names them all in one Preference-Applied. */
void headers_preference_applied(struct call *call, struct str preference);
/* Completes a success: Content-Type, metadata level, preferences. */
void headers_finish(struct call *call);
/* Compresses the body if the client accepts that and it saves a packet.  Not for answers inside a batch. */
void headers_pack(struct call *call);
/* Answers OPTIONS and a browser's preflight request.  `methods` may be empty. */
void headers_answer_options(struct call *call, struct str methods);
