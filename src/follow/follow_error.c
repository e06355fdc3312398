/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_error.h"

#include "text/b64.h"
#include "text/json_read.h"

#define ERROR_BODY_MAX ((size_t)64 << 10)
#define CODE_MAX       100
#define MESSAGE_MAX    300
#define REQUEST_ID_MAX 80

/* Where a code or a message may stand; the first that is there counts. */
static const char *const objects[] = { "error", "odata.error" };
static const char *const codes[] = { "code", "error", "type" };
static const char *const messages[] = { "message", "Message", "error_description", "detail", "title", "value" };

/* A string, a number, or the first known member of an object: OData has {"lang": …, "value": …}. */
static struct str
text_of(const struct json *value, struct arena *arena)
{
	struct str text = STR_EMPTY;
	int64_t    number;

	if (json_text(value, &text))
		return text;
	if (json_int(value, &number))
		return arena_printf(arena, "%lld", (long long)number);
	return json_text(json_member(value, "value"), &text) ? text : STR_EMPTY;
}

static struct str
first_of(const struct json *object, const char *const *names, size_t count, struct arena *arena)
{
	struct str text = STR_EMPTY;

	for (size_t i = 0; i < count && text.len == 0; i++)
		text = text_of(json_member(object, names[i]), arena);
	return text;
}

static const struct json *
error_of(const struct json *root)
{
	const struct json *inner = NULL;

	for (size_t i = 0; i < COUNT_OF(objects) && !inner; i++)
		inner = json_member(root, objects[i]);
	return json_first(inner) ? inner : root;
}

static struct str
join(struct str code, struct str message, struct arena *arena)
{
	/* Some remotes repeat the code in the message. */
	if (code.len == 0 || (message.len > 0 && str_starts_nocase(message, code)))
		return arena_copy(arena, str_cut(message, MESSAGE_MAX));
	return arena_printf(arena, "%.*s%s%.*s", STR_ARG(str_cut(code, CODE_MAX)), message.len > 0 ? ": " : "",
	                    STR_ARG(str_cut(message, MESSAGE_MAX)));
}

static enum err
read_body(struct str body, struct arena *arena, struct json **root_out)
{
	if (str_starts(body, STR("\xef\xbb\xbf")))
		body = str_skip(body, 3);
	return body.len > ERROR_BODY_MAX ? ERR_TOO_LARGE : json_read(body, arena, root_out, NULL);
}

struct str
follow_error_text(struct str body, struct arena *arena)
{
	AUTO(json_drop) struct json *root = NULL;
	const struct json           *error;
	struct str                   text;

	if (read_body(body, arena, &root) != OK)
		return STR_EMPTY;
	if (json_text(root, &text))
		return arena_copy(arena, str_cut(text, MESSAGE_MAX));
	error = error_of(root);
	return join(first_of(error, codes, COUNT_OF(codes), arena),
	            first_of(error, messages, COUNT_OF(messages), arena), arena);
}

/* From the header, or from the error itself. */
static struct str
request_id(const struct follow_response *response, struct arena *arena)
{
	static const char *const inner[] = { "innerError", "innererror" }, *const ids[] = { "request-id", "requestId" };
	AUTO(json_drop) struct json *root = NULL;
	struct str                   id = response->request_id;

	if (id.len == 0 && read_body(response->body, arena, &root) == OK)
		for (size_t i = 0; i < COUNT_OF(inner) && id.len == 0; i++)
			id = first_of(json_member(error_of(root), inner[i]), ids, COUNT_OF(ids), arena);
	return arena_copy(arena, str_cut(id, REQUEST_ID_MAX));
}

const char *
follow_error_describe(const struct follow_response *response, struct arena *arena)
{
	struct str  text = follow_error_text(response->body, arena), id = request_id(response, arena);
	const char *what = response->status == 401   ? " (not authenticated)"
	                   : response->status == 403 ? " (not allowed)"
	                                             : "";

	text = arena_printf(arena, "%u%s%s%.*s", response->status, what, text.len > 0 ? ": " : "", STR_ARG(text));
	if (id.len > 0)
		text = arena_printf(arena, "%.*s (request-id %.*s)", STR_ARG(text), STR_ARG(id));
	return arena_c(arena, text);
}

/* Bearer realm="", error="insufficient_claims", claims="eyJ…": the text between the quotes. */
static struct str
parameter(struct str challenge, struct str name)
{
	struct str rest;

	for (size_t i = 0; i + name.len + 2 < challenge.len; i++) {
		rest = str_skip(challenge, i);
		if (i > 0 && !strchr(" ,", challenge.at[i - 1]))
			continue;
		if (!str_starts_nocase(rest, name) || !str_starts(str_skip(rest, name.len), STR("=\"")))
			continue;
		rest = str_skip(rest, name.len + 2);
		return str_first(rest, str_find(rest, '"'));
	}
	return STR_EMPTY;
}

bool
follow_error_claims(struct str challenge, struct arena *arena, struct str *claims_out)
{
	static const enum b64_form   forms[] = { B64_URL, B64_URL_PADDED, B64_STANDARD };
	AUTO(json_drop) struct json *root = NULL;
	struct str                   text = parameter(challenge, STR("claims")), claims = STR_EMPTY;
	bool                         is_read = false;

	for (size_t i = 0; i < COUNT_OF(forms) && text.len <= 2 * FOLLOW_CLAIMS_MAX && !is_read; i++)
		is_read = b64_decode(forms[i], text, arena, &claims);
	if (!is_read || claims.len > FOLLOW_CLAIMS_MAX || json_read(claims, arena, &root, NULL) != OK ||
	    json_kind(root) != JSON_OBJECT)
		return false;
	*claims_out = claims;
	return true;
}

bool
follow_error_is_passing(unsigned status)
{
	return (status > 200 && status < 300) || status == 408 || status == 423 || status == 425 || status == 429 ||
	       (status >= 500 && status != 501 && status != 505);
}
