/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_error — the text of a remote's error, in any spelling: Graph's, older OData services', those of gateways.
 * Private to the follow module, but for follow_error_text() in follow.h.
 */
#pragma once

#include "follow/follow.h"

/* "404 (ErrorItemNotFound: The object was not found.; request-id 1a2b)": the status and what else is known. */
const char *follow_error_describe(const struct follow_response *response, struct arena *arena);
