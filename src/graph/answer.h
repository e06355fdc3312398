/* SPDX-License-Identifier: Apache-2.0 */
/* answer — what a call answers when it fails: Graph's JSON error.  Private to the graph module. */
#pragma once

#include "graph/call.h"

/* The JSON alone.  An empty detail takes the row's message. */
void answer_put_error(const struct call *call, enum graph_error error, struct str detail, struct buf *buf);
/* Replaces the response's body by this error, with call->detail as its message. */
void answer_error(struct call *call, enum graph_error error);
/* Logs the failure and answers with the error that the call stored, else with the one for `err`. */
void answer_failure(struct call *call, enum err err);
/* After a shared commit failed: replaces the whole response, headers too. */
void answer_replace(struct call *call, enum err err);
