/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_client — one request to the control socket of a serving process.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define CONTROL_RESPONSE_MAX ((size_t)1 << 20)

struct control_call {
	struct str target;
	bool       post; /* otherwise GET */
	struct str key;  /* Idempotency-Key; empty for none */
	struct str body;
};

struct control_response {
	unsigned   status;
	struct str body; /* in the arena */
};

/* ERR_NOT_FOUND nobody listens · ERR_UNSURE cut after the request may have been seen · ERR_UP_GARBLED. */
enum err control_call(const char *sock_path, const struct control_call *call, struct arena *arena,
                      struct control_response *response_out) MUST_CHECK;
