/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth_device — the device authorization grant (RFC 8628) as Entra ID does it: a person opens a page in any browser
 * and types a short code.
 *
 * Nothing here waits.  The caller shows the message, sleeps for code->interval_ms before each poll, and stops
 * after code->life_ms.
 */
#pragma once

#include "fetch/fetch.h"
#include "oauth/oauth_client.h"

struct oauth_code {
	struct str device_code; /* a secret */
	struct str message;     /* one sentence for the person: which page to open and what to type */
	int64_t    interval_ms; /* grows when the authority requests it */
	int64_t    life_ms;
};

enum oauth_device_state {
	OAUTH_DEVICE_PENDING,   /* nobody has signed in yet */
	OAUTH_DEVICE_SIGNED_IN, /* answer_out: the JSON of the token endpoint */
	OAUTH_DEVICE_REFUSED    /* final; see why_out */
};

/* A code to show.  ERR_NO_IDENTITY, ERR_BUSY. */
enum err                oauth_device_begin(const struct oauth_client *client, struct fetch *fetch, struct arena *arena,
                                           struct oauth_code *code_out, struct str *why_out) MUST_CHECK;
enum oauth_device_state oauth_device_poll(const struct oauth_client *client, struct oauth_code *code,
                                          struct fetch *fetch, struct arena *arena, struct str *answer_out,
                                          struct str *why_out);

/* What the responses of the two endpoints mean. */
enum err oauth_device_read_code(const struct fetch_response *response, struct arena *arena, struct oauth_code *code_out,
                                struct str *why_out) MUST_CHECK;
enum oauth_device_state oauth_device_validate(const struct fetch_response *response, struct oauth_code *code,
                                              const struct clock *clock, struct arena *arena, struct str *answer_out,
                                              struct str *why_out);
