/* SPDX-License-Identifier: Apache-2.0 */
/* table — which calls there are: kind of path, method, function.  Private to the graph module. */
#pragma once

#include "graph/call.h"

bool table_has(const struct route *route, enum http_method method);
/* "GET, HEAD, POST": the methods that the path takes. */
struct str table_methods(const struct route *route, struct arena *arena);
/* The function for the call's path and method; NULL: it is a batch.  An unknown path or method is an error. */
enum err table_find(struct call *call, call_fn **act_out) MUST_CHECK;
