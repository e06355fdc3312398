/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_client.h"

#include "follow/follow_link.h"
#include "text/json_read.h"

static struct str
part(struct str text, struct arena *arena)
{
	return uri_encode(text, "", arena);
}

/* {"error":"invalid_client","error_description":"AADSTS7000215: …"}: the first line of it tells enough. */
static struct str
said(struct str body, struct arena *arena)
{
	AUTO(json_drop) struct json *root = NULL;
	struct str                   error = STR_EMPTY, text = STR_EMPTY;

	if (json_read(body, arena, &root, NULL) != OK || !json_text(json_member(root, "error"), &error))
		return STR_EMPTY;
	(void)json_text(json_member(root, "error_description"), &text);
	text = str_first(text, str_find(text, '\n'));
	return arena_printf(arena, ": %.*s %.*s", STR_ARG(str_first(error, 100)), STR_ARG(str_first(text, 200)));
}

static enum err
judge(const struct follow_reply *reply, struct arena *arena, struct str *answer_out, struct str *why_out)
{
	if (reply->status == 200) {
		*answer_out = arena_copy(arena, str_first(reply->body, FOLLOW_BEARER_MAX));
		return OK;
	}
	*why_out = arena_printf(arena, "the token endpoint answers %u%.*s", reply->status, STR_ARG(said(reply->body, arena)));
	return reply->status == 429 || reply->status >= 500 ? ERR_BUSY : ERR_NO_IDENTITY;
}

enum err
follow_client_ask(const struct follow_client *client, struct follow_curl *curl, struct arena *arena,
                  struct str *answer_out, struct str *why_out)
{
	struct follow_origin origin;
	struct follow_reply  reply;
	struct str           host = client->authority, url, form;
	const char          *why;
	enum err             err;

	while (str_ends(host, STR("/")))
		host.len--;
	url = arena_printf(arena, "%.*s/%.*s/oauth2/v2.0/token", STR_ARG(host), STR_ARG(part(client->tenant, arena)));
	if (!follow_origin_of(url, &origin, &why)) {
		*why_out = arena_printf(arena, "the authority's URL %s", why);
		return ERR_NO_IDENTITY;
	}
	form = arena_printf(arena, "grant_type=client_credentials&client_id=%.*s&client_secret=%.*s&scope=%.*s",
	                    STR_ARG(part(client->id, arena)), STR_ARG(part(client->secret, arena)),
	                    STR_ARG(part(client->scope, arena)));
	err = follow_curl_post(curl, url, form, arena, &reply, why_out);
	return err == OK ? judge(&reply, arena, answer_out, why_out) : ERR_BUSY;
}
