/* SPDX-License-Identifier: Apache-2.0 */

#include "fetch/fetch_link.h"
#include "fetch/fetch_secrets.h"
#include "oauth/oauth_endpoint.h"
#include "oauth/oauth_token_store.h"
#include "text/json_read.h"

#define TRIES 3

enum err
oauth_refresh_store(const struct oauth_client *client, struct str answer, struct arena *arena, bool *stored_out,
                    struct str *why_out)
{
	AUTO(json_drop) struct json *root = NULL;
	struct str                   token;

	*stored_out = false;
	if (json_read(answer, arena, &root, NULL) != OK || !json_text(json_member(root, "refresh_token"), &token) ||
	    token.len == 0 || !fetch_is_visible(token))
		return OK;
	TRY(oauth_token_store_write(client, token, arena, why_out));
	*stored_out = true;
	return OK;
}

/* *again_out: another process has renewed the sign-in first; the token store has its refresh token. */
static enum err
validate(const struct oauth_client *client, const struct fetch_response *response, struct str token,
         struct arena *arena, bool *again_out, struct str *answer_out, struct str *why_out)
{
	bool       is_stored;
	struct str error;

	if (oauth_answer(response, arena, answer_out) == OK)
		return oauth_refresh_store(client, *answer_out, arena, &is_stored, why_out);
	error = oauth_error_code(response->body, arena);
	if (response->status != 400 ||
	    (!str_eq(error, STR("invalid_grant")) && !str_eq(error, STR("interaction_required"))))
		return oauth_failed("token", response, token, arena, why_out);
	*again_out = !oauth_token_store_forget(client, token, arena);
	*why_out = arena_printf(
		arena, "the sign-in is no longer good%.*s; run `tidemark sync URL --device-code` and sign in again",
		STR_ARG(str_cut(oauth_error_text(response->body, token, arena), 300)));
	return ERR_NO_IDENTITY;
}

static enum err
try_once(const struct oauth_client *client, struct fetch *fetch, struct arena *arena, bool *again_out,
         struct str *answer_out, struct str *why_out)
{
	struct oauth_field    fields[] = { { "grant_type", STR("refresh_token") },
		                           { "client_id", client->id },
		                           { "refresh_token", STR_EMPTY },
		                           { "scope", client->scope },
		                           { client->claims.len > 0 ? "claims" : NULL, client->claims },
		                           { NULL, STR_EMPTY } };
	struct str           *token = &fields[2].value;
	struct fetch_response response;
	enum err              err = oauth_token_store_read(client, arena, token, why_out);

	if (err == ERR_NOT_FOUND)
		return oauth_no_identity("nobody is signed in; run `tidemark sync URL --device-code`", why_out);
	TRY(err);
	if (client->secrets)
		fetch_secrets_note(client->secrets, *token);
	TRY(oauth_post(client, "token", fields, fetch, arena, &response, why_out));
	return validate(client, &response, *token, arena, again_out, answer_out, why_out);
}

enum err
oauth_refresh(const struct oauth_client *client, struct fetch *fetch, struct arena *arena, struct str *answer_out,
              struct str *why_out)
{
	enum err err = ERR_NO_IDENTITY;
	bool     again = true;

	for (int tries = 0; tries < TRIES && again; tries++) {
		again = false;
		err = try_once(client, fetch, arena, &again, answer_out, why_out);
	}
	return err;
}
