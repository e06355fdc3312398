/* SPDX-License-Identifier: Apache-2.0 */
#include "oauth/oauth_device.h"

#include "fetch/fetch_wait.h"
#include "oauth/oauth_endpoint.h"
#include "text/json_read.h"

#define INTERVAL_USUAL_S 5
#define INTERVAL_MAX_S   60
#define SLOWER_MS        5000
#define LIFE_MAX_S       3600
#define CODE_MAX         ((size_t)8 << 10)
#define USER_CODE_MAX    100
#define URI_MAX          500
#define MESSAGE_MAX      1000

static enum err
not_understood(struct str *why_out)
{
	return oauth_no_identity("the device code endpoint answers what cannot be understood", why_out);
}

static bool
text_of(const struct json *root, const char *name, size_t max, struct str *text_out)
{
	return json_text(json_member(root, name), text_out) && text_out->len > 0 && text_out->len <= max;
}

/* Entra sends a sentence in the person's language; other authorities send none. */
static bool
make_message(const struct json *root, struct arena *arena, struct oauth_code *code)
{
	struct str user_code, uri, message;

	if (!text_of(root, "user_code", USER_CODE_MAX, &user_code) || !text_of(root, "verification_uri", URI_MAX, &uri))
		return false;
	if (text_of(root, "message", MESSAGE_MAX, &message) && str_find_text(message, user_code) < message.len &&
	    str_find_text(message, code->device_code) == message.len)
		code->message = arena_copy(arena, message);
	else
		code->message = arena_printf(arena, "To sign in, open %.*s and enter the code %.*s", STR_ARG(uri),
		                             STR_ARG(user_code));
	return true;
}

enum err
oauth_device_read_code(const struct fetch_response *response, struct arena *arena, struct oauth_code *code_out,
                       struct str *why_out)
{
	AUTO(json_drop) struct json *root = NULL;
	struct oauth_code            code;
	int64_t                      interval_s = INTERVAL_USUAL_S, life_s;

	if (response->status != 200)
		return oauth_failed("devicecode", response, STR_EMPTY, arena, why_out);
	if (response->body.len > FETCH_BEARER_MAX || json_read(response->body, arena, &root, NULL) != OK ||
	    !text_of(root, "device_code", CODE_MAX, &code.device_code) || !make_message(root, arena, &code) ||
	    !json_int(json_member(root, "expires_in"), &life_s))
		return not_understood(why_out);
	if (json_member(root, "interval") && !json_int(json_member(root, "interval"), &interval_s))
		return not_understood(why_out);
	if (life_s < 1 || life_s > LIFE_MAX_S || interval_s < 1 || interval_s > INTERVAL_MAX_S)
		return not_understood(why_out);
	code.device_code = arena_copy(arena, code.device_code);
	code.interval_ms = interval_s * 1000;
	code.life_ms = life_s * 1000;
	*code_out = code;
	return OK;
}

enum err
oauth_device_begin(const struct oauth_client *client, struct fetch *fetch, struct arena *arena,
                   struct oauth_code *code_out, struct str *why_out)
{
	const struct oauth_field fields[] = { { "client_id", client->id },
		                              { "scope", client->scope },
		                              { NULL, STR_EMPTY } };
	struct fetch_response    response;

	TRY(oauth_post(client, "devicecode", fields, fetch, arena, &response, why_out));
	return oauth_device_read_code(&response, arena, code_out, why_out);
}

static enum oauth_device_state
refused(struct str why, struct str *why_out)
{
	*why_out = why;
	return OAUTH_DEVICE_REFUSED;
}

static enum oauth_device_state
later(struct oauth_code *code, int64_t wanted_ms)
{
	int64_t most_ms = (int64_t)INTERVAL_MAX_S * 1000;

	if (wanted_ms > code->interval_ms)
		code->interval_ms = wanted_ms < most_ms ? wanted_ms : most_ms;
	return OAUTH_DEVICE_PENDING;
}

enum oauth_device_state
oauth_device_validate(const struct fetch_response *response, struct oauth_code *code, const struct clock *clock,
                      struct arena *arena, struct str *answer_out, struct str *why_out)
{
	struct str error;

	if (oauth_answer(response, arena, answer_out) == OK)
		return OAUTH_DEVICE_SIGNED_IN;
	if (response->status == 429 || response->status >= 500) {
		int64_t requested_ms = fetch_wait_requested(response->retry_after,
		                                            fetch_wait_now(response->date, clock->wall_ns(clock->ctx)));

		return later(code, requested_ms > 0 ? requested_ms : 2 * code->interval_ms);
	}
	error = oauth_error_code(response->body, arena);
	if (str_eq(error, STR("authorization_pending")))
		return OAUTH_DEVICE_PENDING;
	if (str_eq(error, STR("slow_down"))) {
		code->interval_ms += SLOWER_MS;
		return OAUTH_DEVICE_PENDING;
	}
	if (str_eq(error, STR("expired_token")))
		return refused(STR("the code has expired before anybody signed in"), why_out);
	if (str_eq(error, STR("authorization_declined")) || str_eq(error, STR("access_denied")))
		return refused(STR("the sign-in was declined"), why_out);
	(void)oauth_failed("token", response, code->device_code, arena, why_out);
	return OAUTH_DEVICE_REFUSED;
}

enum oauth_device_state
oauth_device_poll(const struct oauth_client *client, struct oauth_code *code, struct fetch *fetch, struct arena *arena,
                  struct str *answer_out, struct str *why_out)
{
	const struct oauth_field fields[] = { { "grant_type", STR("urn:ietf:params:oauth:grant-type:device_code") },
		                              { "client_id", client->id },
		                              { "device_code", code->device_code },
		                              { NULL, STR_EMPTY } };
	struct fetch_response    response;
	enum err                 err = oauth_post(client, "token", fields, fetch, arena, &response, why_out);

	if (err == ERR_BUSY)
		return later(code, 2 * code->interval_ms);
	return err == OK ? oauth_device_validate(&response, code, client->clock, arena, answer_out, why_out)
	                 : OAUTH_DEVICE_REFUSED;
}
