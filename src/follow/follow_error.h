/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_error — the text of a remote's error, in any spelling: Graph's, older OData services', those of gateways.
 * Private to the follow module, but for follow_error_text() in follow.h.
 */
#pragma once

#include "follow/follow.h"

#define FOLLOW_CLAIMS_MAX ((size_t)8 << 10)

/* 2xx without a page: the remote is not ready.  423: somebody holds it. */
bool follow_error_is_passing(unsigned status);
/* The claims that a challenge demands: a JSON object of at most FOLLOW_CLAIMS_MAX bytes.  False: none are. */
bool follow_error_claims(struct str challenge, struct arena *arena, struct str *claims_out);
/* "404 (ErrorItemNotFound: The object was not found.; request-id 1a2b)": the status and what else is known. */
const char *follow_error_describe(const struct follow_response *response, struct arena *arena);
