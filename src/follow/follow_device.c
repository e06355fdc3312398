/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_device.h"

#include "follow/follow_client.h"
#include "follow/follow_token_store.h"
#include "follow/follow_secrets.h"
#include "follow/follow_wait.h"
#include "text/json_read.h"

#define INTERVAL_USUAL_S 5
#define INTERVAL_MAX_S   60
#define SLOWER_MS        5000
#define LIFE_MAX_S       3600
#define CODE_MAX         ((size_t)8 << 10)
#define USER_CODE_MAX    100
#define URI_MAX          500
#define MESSAGE_MAX      1000
#define REFRESH_TRIES    3

static enum err
not_understood(struct str *why_out)
{
	*why_out = STR("the device code endpoint answers what cannot be understood");
	return ERR_NO_IDENTITY;
}

/* ---- the code ------------------------------------------------------------------------------- */

static bool
text_of(const struct json *root, const char *name, size_t max, struct str *text_out)
{
	return json_text(json_member(root, name), text_out) && text_out->len > 0 && text_out->len <= max;
}

static bool
holds(struct str text, struct str part)
{
	return memmem(text.at, text.len, part.at, part.len) != NULL;
}

/* Entra's own sentence is in the person's language; others send none. */
static bool
make_message(const struct json *root, struct arena *arena, struct follow_code *code)
{
	struct str user_code, uri, message;

	if (!text_of(root, "user_code", USER_CODE_MAX, &user_code) || !text_of(root, "verification_uri", URI_MAX, &uri))
		return false;
	if (text_of(root, "message", MESSAGE_MAX, &message) && holds(message, user_code) &&
	    !holds(message, code->device_code))
		code->message = arena_copy(arena, message);
	else
		code->message = arena_printf(arena, "To sign in, open %.*s and enter the code %.*s", STR_ARG(uri),
		                             STR_ARG(user_code));
	return true;
}

enum err
follow_device_read_code(const struct follow_response *response, struct arena *arena, struct follow_code *code_out,
                        struct str *why_out)
{
	AUTO(json_drop) struct json *root = NULL;
	struct follow_code           code;
	int64_t                      interval_s = INTERVAL_USUAL_S, life_s;

	if (response->status != 200) {
		*why_out = arena_printf(arena, "the device code endpoint answers %u%.*s", response->status,
		                        STR_ARG(follow_client_said(response->body, STR_EMPTY, arena)));
		return response->status == 429 || response->status >= 500 ? ERR_BUSY : ERR_NO_IDENTITY;
	}
	if (response->body.len > FOLLOW_BEARER_MAX || json_read(response->body, arena, &root, NULL) != OK ||
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
follow_device_begin(const struct follow_client *client, struct follow_curl *curl, struct arena *arena,
                    struct follow_code *code_out, struct str *why_out)
{
	struct follow_response response;
	struct str             form = arena_printf(arena, "client_id=%.*s&scope=%.*s",
	                                           STR_ARG(follow_client_part(client->id, arena)),
	                                           STR_ARG(follow_client_part(client->scope, arena)));

	TRY(follow_client_post(client, "devicecode", form, curl, arena, &response, why_out));
	return follow_device_read_code(&response, arena, code_out, why_out);
}

/* ---- waiting for the person ----------------------------------------------------------------- */

static struct str
error_of(const struct follow_response *response, struct arena *arena)
{
	AUTO(json_drop) struct json *root = NULL;
	struct str                   error = STR_EMPTY;

	if (json_read(str_first(response->body, FOLLOW_BEARER_MAX), arena, &root, NULL) != OK ||
	    !json_text(json_member(root, "error"), &error))
		return STR_EMPTY;
	return arena_copy(arena, error);
}

static enum follow_device_state
refused(struct str why, struct str *why_out)
{
	*why_out = why;
	return FOLLOW_DEVICE_REFUSED;
}

static enum follow_device_state
later(struct follow_code *code, int64_t wanted_ms)
{
	int64_t most_ms = (int64_t)INTERVAL_MAX_S * 1000;

	if (wanted_ms > code->interval_ms)
		code->interval_ms = wanted_ms < most_ms ? wanted_ms : most_ms;
	return FOLLOW_DEVICE_PENDING;
}

enum follow_device_state
follow_device_validate(const struct follow_response *response, struct follow_code *code, const struct clock *clock,
                       struct arena *arena, struct str *answer_out, struct str *why_out)
{
	struct str error;

	if (response->status == 200 && response->body.len <= FOLLOW_BEARER_MAX) {
		*answer_out = arena_copy(arena, response->body);
		return FOLLOW_DEVICE_SIGNED_IN;
	}
	if (response->status == 429 || response->status >= 500) {
		int64_t asked_ms = follow_wait_asked(response->retry_after, clock->wall_ns(clock->ctx));

		return later(code, asked_ms > 0 ? asked_ms : 2 * code->interval_ms);
	}
	error = error_of(response, arena);
	if (str_eq(error, STR("authorization_pending")))
		return FOLLOW_DEVICE_PENDING;
	if (str_eq(error, STR("slow_down"))) {
		code->interval_ms += SLOWER_MS;
		return FOLLOW_DEVICE_PENDING;
	}
	if (str_eq(error, STR("expired_token")))
		return refused(STR("the code has expired before anybody signed in"), why_out);
	if (str_eq(error, STR("authorization_declined")) || str_eq(error, STR("access_denied")))
		return refused(STR("the sign-in was declined"), why_out);
	return refused(arena_printf(arena, "the token endpoint answers %u%.*s", response->status,
	                            STR_ARG(follow_client_said(response->body, code->device_code, arena))),
	               why_out);
}

enum follow_device_state
follow_device_poll(const struct follow_client *client, struct follow_code *code, struct follow_curl *curl,
                   struct arena *arena, struct str *answer_out, struct str *why_out)
{
	struct follow_response response;
	struct str             form = arena_printf(arena,
	                                           "grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Adevice_code"
	                                                       "&client_id=%.*s&device_code=%.*s",
	                                           STR_ARG(follow_client_part(client->id, arena)),
	                                           STR_ARG(follow_client_part(code->device_code, arena)));
	enum err               err = follow_client_post(client, "token", form, curl, arena, &response, why_out);

	if (err == ERR_BUSY)
		return later(code, 2 * code->interval_ms);
	return err == OK ? follow_device_validate(&response, code, client->clock, arena, answer_out, why_out)
	                 : FOLLOW_DEVICE_REFUSED;
}

/* ---- the refresh token ---------------------------------------------------------------------- */

static bool
is_visible(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] <= 0x20 || text.at[i] >= 0x7f)
			return false;
	return text.len > 0;
}

enum err
follow_device_keep(const struct follow_client *client, struct str answer, struct arena *arena, bool *kept_out,
                   struct str *why_out)
{
	AUTO(json_drop) struct json *root = NULL;
	struct str                   token;

	*kept_out = false;
	if (json_read(answer, arena, &root, NULL) != OK || !json_text(json_member(root, "refresh_token"), &token) ||
	    !is_visible(token))
		return OK;
	TRY(follow_token_store_write(client, token, arena, why_out));
	*kept_out = true;
	return OK;
}

/* *again_out: another process was faster, and what it has been given is kept. */
static enum err
validate_refresh(const struct follow_client *client, const struct follow_response *response, struct str token,
                 struct arena *arena, bool *again_out, struct str *answer_out, struct str *why_out)
{
	bool       kept;
	struct str error;

	if (response->status == 200 && response->body.len <= FOLLOW_BEARER_MAX) {
		*answer_out = arena_copy(arena, response->body);
		return follow_device_keep(client, *answer_out, arena, &kept, why_out);
	}
	error = error_of(response, arena);
	if (response->status != 400 ||
	    (!str_eq(error, STR("invalid_grant")) && !str_eq(error, STR("interaction_required"))))
		return follow_client_refused(response, token, arena, why_out);
	*again_out = !follow_token_store_forget(client, token, arena);
	*why_out = arena_printf(
		arena, "the sign-in is no longer good%.*s; run `tidemark sync URL --device-code` and sign in again",
		STR_ARG(str_cut(follow_client_said(response->body, token, arena), 300)));
	return ERR_NO_IDENTITY;
}

static enum err
refresh_once(const struct follow_client *client, struct follow_curl *curl, struct arena *arena, bool *again_out,
             struct str *answer_out, struct str *why_out)
{
	struct follow_response response;
	struct str             token, form;
	enum err               err = follow_token_store_read(client, arena, &token, why_out);

	if (err == ERR_NOT_FOUND) {
		*why_out = STR("nobody is signed in; run `tidemark sync URL --device-code`");
		return ERR_NO_IDENTITY;
	}
	TRY(err);
	if (client->secrets)
		follow_secrets_note(client->secrets, token);
	form = arena_printf(arena, "grant_type=refresh_token&client_id=%.*s&refresh_token=%.*s&scope=%.*s",
	                    STR_ARG(follow_client_part(client->id, arena)), STR_ARG(follow_client_part(token, arena)),
	                    STR_ARG(follow_client_part(client->scope, arena)));
	TRY(follow_client_post(client, "token", form, curl, arena, &response, why_out));
	return validate_refresh(client, &response, token, arena, again_out, answer_out, why_out);
}

enum err
follow_device_refresh(const struct follow_client *client, struct follow_curl *curl, struct arena *arena,
                      struct str *answer_out, struct str *why_out)
{
	enum err err = ERR_NO_IDENTITY;
	bool     again = true;

	for (int tries = 0; tries < REFRESH_TRIES && again; tries++) {
		again = false;
		err = refresh_once(client, curl, arena, &again, answer_out, why_out);
	}
	return err;
}
