/* SPDX-License-Identifier: Apache-2.0 */
#include "oauth/oauth_endpoint.h"

#include "fetch/fetch_link.h"
#include "text/json_read.h"

#define SHOWN_MAX 300
#define WORD_MAX  64 /* longer than any word of a message, shorter than any token */

struct str
oauth_endpoint_url(const struct oauth_client *client, const char *endpoint, struct arena *arena)
{
	struct str host = client->authority;

	while (str_ends(host, STR("/")))
		host.len--;
	return arena_printf(arena, "%.*s/%.*s/oauth2/v2.0/%s", STR_ARG(host),
	                    STR_ARG(uri_encode(client->tenant, "", arena)), endpoint);
}

enum err
oauth_no_identity(const char *why, struct str *why_out)
{
	*why_out = str_from_c(why);
	return ERR_NO_IDENTITY;
}

static const char *
name_of(const char *endpoint)
{
	return strcmp(endpoint, "devicecode") == 0 ? "device code" : endpoint;
}

static struct str
form_of(const struct oauth_field *fields, struct arena *arena)
{
	struct str form = STR_EMPTY;

	for (; fields->name; fields++)
		form = arena_printf(arena, "%.*s%s%s=%.*s", STR_ARG(form), form.len > 0 ? "&" : "", fields->name,
		                    STR_ARG(uri_encode(fields->value, "", arena)));
	return form;
}

enum err
oauth_post(const struct oauth_client *client, const char *endpoint, const struct oauth_field *fields,
           struct fetch *fetch, struct arena *arena, struct fetch_response *response_out, struct str *why_out)
{
	struct fetch_request request = { .url = oauth_endpoint_url(client, endpoint, arena),
		                         .headers = { "Accept: application/json",
		                                      "Content-Type: application/x-www-form-urlencoded" },
		                         .is_post = true,
		                         .body = form_of(fields, arena) };
	struct fetch_origin  origin;
	const char          *why;
	enum err             err;

	if (!fetch_origin_of(request.url, &origin, &why)) {
		*why_out = arena_printf(arena, "the authority's URL %s", why);
		return ERR_NO_IDENTITY;
	}
	err = fetch_result(fetch_send(fetch, &request, arena, response_out, why_out), response_out);
	if (err == OK)
		return OK;
	*why_out = arena_printf(arena, "the %s endpoint: %.*s", name_of(endpoint), STR_ARG(*why_out));
	return err == ERR_BUSY || err == ERR_UP_REFUSED ? err : ERR_NO_IDENTITY;
}

enum err
oauth_answer(const struct fetch_response *response, struct arena *arena, struct str *answer_out)
{
	if (response->status != 200 || response->body.len > FETCH_BEARER_MAX)
		return ERR_NO_IDENTITY;
	*answer_out = arena_copy(arena, response->body);
	return OK;
}

static struct str
member_of(struct str body, const char *name, struct arena *arena)
{
	AUTO(json_drop) struct json *root = NULL;
	struct str                   text = STR_EMPTY;

	if (json_read(str_first(body, FETCH_BEARER_MAX), arena, &root, NULL) != OK ||
	    !json_text(json_member(root, name), &text))
		return STR_EMPTY;
	return arena_copy(arena, text);
}

struct str
oauth_error_code(struct str body, struct arena *arena)
{
	return member_of(body, "error", arena);
}

/* An authority may repeat what it was sent; that must not get into a log. */
static bool
may_be_shown(struct str text, struct str secret)
{
	struct str word;

	if (secret.len > 0 && str_find_text(text, secret) < text.len)
		return false;
	while (str_take_until(&text, ' ', &word))
		if (word.len > WORD_MAX)
			return false;
	return true;
}

/* {"error":"invalid_client","error_description":"AADSTS7000215: …"}: the first line of the description is enough. */
struct str
oauth_error_text(struct str body, struct str secret, struct arena *arena)
{
	struct str error = oauth_error_code(body, arena), text = member_of(body, "error_description", arena);

	text = str_first(text, str_find(text, '\n'));
	if (error.len == 0 || !may_be_shown(error, secret))
		return STR_EMPTY;
	if (!may_be_shown(text, secret))
		text = STR_EMPTY;
	return arena_printf(arena, ": %.*s%s%.*s", STR_ARG(error), text.len > 0 ? " " : "",
	                    STR_ARG(str_cut(text, SHOWN_MAX)));
}

enum err
oauth_failed(const char *endpoint, const struct fetch_response *response, struct str secret, struct arena *arena,
             struct str *why_out)
{
	*why_out = arena_printf(arena, "the %s endpoint answers %u%.*s", name_of(endpoint), response->status,
	                        STR_ARG(oauth_error_text(response->body, secret, arena)));
	return response->status == 429 || response->status >= 500 ? ERR_BUSY : ERR_NO_IDENTITY;
}
