/* SPDX-License-Identifier: Apache-2.0 */
/* run — one call from its path to its answer: all steps in their order.  Private to the graph module. */
#pragma once

#include "graph/call.h"

/*
 * Answers the call, with an error if it fails.  `batch` answers a $batch; NULL: the call is itself part of one.
 * False: it must run where it may wait, and the response is to be cleared.
 */
bool run_call(struct call *call, call_fn *batch);
