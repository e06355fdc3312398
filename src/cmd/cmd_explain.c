/* SPDX-License-Identifier: Apache-2.0 */
/* What the server would answer to this token at this URL, step by step, by the server's own code. */
#include "cmd/cmd.h"

#include <errno.h>
#include <unistd.h>

#include "admin/server.h"
#include "base/file.h"
#include "text/uri.h"

#define TOKEN_MAX ((size_t)16 << 10)

struct explaining {
	struct cmd_run *run;
	struct json_out json;
	bool            as_json;
};

static void
report(void *ctx, const char *check, bool ok, struct str what)
{
	struct explaining *explaining = ctx;

	if (!explaining->as_json) {
		out_printf(explaining->run->out, "%-10s  %s  ", check, ok ? "ok  " : "FAIL");
		for (size_t i = 0; i < what.len; i++)
			out_put(explaining->run->out, (unsigned char)what.at[i] < 0x20 || what.at[i] == 0x7f
			                                      ? STR("?")
			                                      : str_of(what.at + i, 1));
		out_put(explaining->run->out, STR("\n"));
		return;
	}
	json_put_object(&explaining->json);
	json_put_member(&explaining->json, STR("check"), str_from_c(check));
	json_put_member_bool(&explaining->json, STR("ok"), ok);
	json_put_member(&explaining->json, STR("what"), what);
	json_end_object(&explaining->json);
}

static bool
split_url(struct str url, struct http_req *req)
{
	struct uri_parts parts;

	req->authority = STR("localhost");
	if (str_starts(url, STR("/"))) {
		req->path = str_first(url, str_find(url, '?'));
		req->query = str_skip(url, req->path.len + 1);
		return true;
	}
	if (!uri_split(url, &parts) || parts.path.len == 0)
		return false;
	req->authority = parts.authority;
	req->path = parts.path;
	req->query = parts.query;
	return true;
}

static int
read_token(struct cmd_run *run, struct str *token_out)
{
	struct str token = str_from_c(cmd_value(run, "as"));
	char      *text;
	size_t     len;

	if (token.len == 0)
		return cmd_usage(run, "--as is needed: the access token");
	if (str_eq(token, STR("-"))) {
		text = arena_take_raw(run->arena, TOKEN_MAX);
		if (!file_read(STDIN_FILENO, text, TOKEN_MAX, &len))
			return console_fail(EXIT_OTHER, "standard input: %s", strerrordesc_np(errno));
		token = str_first(str_of(text, len), str_find(str_of(text, len), '\n'));
	}
	*token_out = str_starts_nocase(token, STR("Bearer ")) ? token
	                                                      : arena_printf(run->arena, "Bearer %.*s", STR_ARG(token));
	return EXIT_DONE;
}

static int
read_request(struct cmd_run *run, struct http_req *req)
{
	struct http_field *field = arena_take(run->arena, sizeof(*field));

	TRY_CODE(read_token(run, &field->value));
	field->name = STR("Authorization");
	*req = (struct http_req){ .fields = field, .field_count = 1, .arena = run->arena, .tls = true };
	req->method_text = str_from_c(run->args[0]);
	req->method = http_method_of(req->method_text);
	if (!split_url(str_from_c(run->args[1]), req))
		return cmd_usage(run, "\"%s\" is neither a URL nor a path", run->args[1]);
	return EXIT_DONE;
}

static int
explain(struct cmd_run *run, struct server *server, const struct http_req *req)
{
	struct explaining explaining = { .run = run, .as_json = cmd_has(run, "json") };
	bool              allowed;

	if (explaining.as_json) {
		explaining.json = json_out_object(out_buf(run->out));
		json_put_name(&explaining.json, STR("checks"));
		json_put_array(&explaining.json);
	}
	allowed = graph_explain(server->graph, req, report, &explaining);
	if (explaining.as_json) {
		json_end_array(&explaining.json);
		json_put_member_bool(&explaining.json, STR("allowed"), allowed);
		out_end_object(run->out, &explaining.json);
	}
	return allowed ? EXIT_DONE : EXIT_REFUSED;
}

static int
run_explain(struct cmd_run *run)
{
	AUTO(server_close) struct server server = { 0 };
	struct http_req                  req;

	TRY_CODE(read_request(run, &req));
	TRY_CODE(server_open(&server, run, NULL));
	return explain(run, &server, &req);
}

const struct cmd cmd_explain_access = {
	.name = "explain-access",
	.summary = "show whether a token may access a URL, and why",
	.args = "METHOD URL",
	.settings = SETTINGS(CONF_STORE, CONF_ISSUER, CONF_SERVE_SCOPE),
	.options = OPTIONS({ "as", "TOKEN",
	                     "the access token; - reads it from standard input, which keeps it out of process lists",
	                     false },
	                   { "json", NULL, "one JSON object: `allowed`, `checks` (check, ok, what)", false }),
	.about = ABOUT(
		"Prints each check of a request and its result, up to the first that fails. The checks are the "
		"server's own code. The command only reads the store, so it works beside a serving process. It "
		"fetches the keys of external issuers.",
		"URL is a whole URL or a path like /v1.0/me/calendars/delta. The exit code is 0 if the request is "
		"allowed and 4 if not. The token is not printed."),
	.examples = EXAMPLES(
		{ "tidemark explain-access --as \"$TOKEN\" GET /v1.0/me/calendars/delta", "Why is a request refused" }),
	.exits = { EXIT_REFUSED, EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED },
	.run = run_explain,
};
