/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_device — the device authorization grant (RFC 8628) as Entra ID does it: a person signs in with a browser
 * anywhere and types a short code; this program asks until that is done, and from then on has a refresh token.
 *
 * Nothing here waits.  Whoever asks shows the message, sleeps for code->interval_ms before each poll, and gives up
 * after code->life_ms.
 */
#pragma once

#include "follow/follow_bearer.h"
#include "follow/follow_source.h"

struct follow_code {
	struct str device_code; /* a secret */
	struct str message;     /* one sentence for the person: where to go and what to type */
	int64_t    interval_ms; /* grows when the far end asks for that */
	int64_t    life_ms;
};

enum follow_device_state {
	FOLLOW_DEVICE_PENDING,   /* nobody has signed in yet */
	FOLLOW_DEVICE_SIGNED_IN, /* answer_out: the JSON of the token endpoint */
	FOLLOW_DEVICE_REFUSED    /* why_out: it will not happen any more */
};

/* A code to show.  ERR_NO_IDENTITY, ERR_BUSY. */
enum err follow_device_begin(const struct follow_client *client, struct follow_curl *curl, struct arena *arena,
                             struct follow_code *code_out, struct str *why_out) MUST_CHECK;
enum follow_device_state follow_device_poll(const struct follow_client *client, struct follow_code *code,
                                            struct follow_curl *curl, struct arena *arena, struct str *answer_out,
                                            struct str *why_out);

/* Keeps the refresh token an answer holds; *kept_out is false when it holds none.  ERR_NO_IDENTITY. */
enum err follow_device_keep(const struct follow_client *client, struct str answer, struct arena *arena, bool *kept_out,
                            struct str *why_out) MUST_CHECK;
/* A new access token for the kept refresh token; the next one is kept before this returns.  ERR_NO_IDENTITY, ERR_BUSY. */
enum err follow_device_refresh(const struct follow_client *client, struct follow_curl *curl, struct arena *arena,
                               struct str *answer_out, struct str *why_out) MUST_CHECK;

/* What the two endpoints' answers mean. */
enum err                 follow_device_read_code(const struct follow_response *response, struct arena *arena,
                                                 struct follow_code *code_out, struct str *why_out) MUST_CHECK;
enum follow_device_state follow_device_validate(const struct follow_response *response, struct follow_code *code,
                                                const struct clock *clock, struct arena *arena, struct str *answer_out,
                                                struct str *why_out);
