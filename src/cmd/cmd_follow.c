/* SPDX-License-Identifier: Apache-2.0 */
/* The followers of a server, asked over its control socket (admin/control.h). */
#include "cmd/cmd.h"

#include "admin/sock_path.h"
#include "cli/signals.h"
#include "fetch/control_client.h"
#include "text/json_read.h"
#include "text/uri.h"

#define CALL_ARENA_MAX ((size_t)32 << 20)
#define POLL_MIN_MS    20
#define POLL_MAX_MS    1000
#define HOST_MAX_MS    300000 /* the usual --max-wait */
#define NO_SERVER      "no server that follows holds the store; `tidemark serve --follow` is one"

struct call {
	const char *verb;   /* "now", "pause", "resume", "status" */
	struct str  name;   /* empty: all */
	int64_t     ticket; /* of an earlier "now", or 0 */
};

/* ERR_NOT_FOUND: there is no such server, or it follows nothing of that name.  *why_out is a sentence. */
static enum err
ask(struct cmd_run *run, const struct call *call, struct arena *arena, struct json **root_out, struct str *why_out)
{
	struct sock_path        sock = { NULL, -1 };
	bool                    is_status = strcmp(call->verb, "status") == 0;
	struct control_call     request = { .post = !is_status };
	struct control_response response = { 0 };
	enum err                err = sock_path_open(conf_get(&run->conf, CONF_STORE), arena, &sock);

	request.target = arena_printf(arena, "/-/follow%s%s?ticket=%lld&name=%.*s", is_status ? "" : "/",
	                              is_status ? "" : call->verb, (long long)call->ticket,
	                              STR_ARG(uri_encode(call->name, "", arena)));
	*why_out = STR(NO_SERVER);
	if (err == OK)
		err = control_call(sock.path, &request, arena, &response);
	sock_path_close(&sock);
	if (err == OK)
		err = json_read(response.body, arena, root_out, NULL);
	if (err != OK)
		return err == ERR_NOT_FOUND ? err : ERR_BUSY;
	(void)json_text(json_member(json_member(*root_out, "error"), "message"), why_out);
	if (response.status == 404 || response.status == 409)
		return response.status == 404 ? ERR_NOT_FOUND : ERR_NOT_ALLOWED;
	return response.status == 200 ? OK : ERR_BUSY;
}

static int
ask_failed(enum err err, struct str why)
{
	return console_fail(err == ERR_BUSY ? EXIT_AGAIN : EXIT_PERMANENT, "%.*s", STR_ARG(why));
}

static int64_t
number(const struct json *object, const char *name)
{
	int64_t value = -1;

	(void)json_int(json_member(object, name), &value);
	return value;
}

/* ---- what is printed -------------------------------------------------------------------------------------------- */

static void
put_row(struct out *out, const struct json *scope)
{
	struct str name = STR_EMPTY, state = STR_EMPTY;

	(void)json_text(json_member(scope, "scope"), &name);
	(void)json_text(json_member(scope, "state"), &state);
	out_printf(out, "%-24.*s  %-7.*s  ", STR_ARG(name), STR_ARG(state));
	out_printf(out, number(scope, "exitCode") < 0 ? "   -" : "%4lld", (long long)number(scope, "exitCode"));
	out_printf(out, "  %7lld  %8lld  %5llds\n", (long long)number(scope, "changes"),
	           (long long)number(scope, "failures"), (long long)number(scope, "dueInMs") / 1000);
}

static void
put_scopes(struct cmd_run *run, const struct json *root)
{
	int64_t shown = 0;

	if (!cmd_has(run, "json"))
		out_printf(run->out, "%-24s  %-7s  %4s  %7s  %8s  %6s\n", "SCOPE", "STATE", "EXIT", "CHANGES",
		           "FAILURES", "NEXT");
	for (const struct json *scope = json_first(json_member(root, "scopes")); scope; scope = scope->next, shown++) {
		if (cmd_has(run, "json"))
			out_printf(run->out, "%.*s\n", STR_ARG(scope->raw));
		else
			put_row(run->out, scope);
	}
	if (number(root, "count") > shown)
		console_say("%lld more are followed; name a section or a scope",
		            (long long)(number(root, "count") - shown));
}

/* ---- a round ---------------------------------------------------------------------------------------------------- */

/* One look.  True: it has ended. */
static bool
look(struct cmd_run *run, const struct call *call, int *code_out)
{
	AUTO(arena_close) struct arena *arena = arena_open(CALL_ARENA_MAX);
	AUTO(json_drop) struct json    *root = NULL;
	struct str                      why;
	enum err                        err = ask(run, call, arena, &root, &why);

	if (err != OK) {
		*code_out = ask_failed(err, why);
	} else if (number(root, "left") == 0) {
		put_scopes(run, root);
		*code_out = (int)number(root, "exitCode");
		if (*code_out == EXIT_DONE && cmd_has(run, "exit-code") && number(root, "changes") == 0)
			*code_out = EXIT_UNCHANGED;
	} else if (number(root, "waitMs") > HOST_MAX_MS) {
		*code_out = console_fail(EXIT_AGAIN, "the remote asks all to stay away for %lld s",
		                         (long long)number(root, "waitMs") / 1000);
	} else {
		return false;
	}
	return true;
}

int
follow_now(struct cmd_run *run, bool *is_known_out)
{
	AUTO(arena_close) struct arena *arena = arena_open(CALL_ARENA_MAX);
	AUTO(json_drop) struct json    *root = NULL;
	struct call    call = { .verb = "now", .name = str_from_c(run->arg_count > 0 ? run->args[0] : NULL) };
	struct signals signals;
	struct str     why;
	int64_t        pause_ms = POLL_MIN_MS;
	enum err       err = ask(run, &call, arena, &root, &why);
	int            code;

	*is_known_out = err != ERR_NOT_FOUND;
	if (err != OK)
		return *is_known_out ? ask_failed(err, why) : EXIT_PERMANENT;
	call.verb = "status";
	call.ticket = number(root, "ticket");
	signals_open(&signals);
	while (!look(run, &call, &code)) {
		signals_sleep(&signals, run->clock, pause_ms);
		pause_ms = pause_ms * 2 < POLL_MAX_MS ? pause_ms * 2 : POLL_MAX_MS;
		if (!signals_came(&signals))
			continue;
		code = console_fail((enum exit_code)signals_code(&signals), "stopped by a signal; the server goes on");
		break;
	}
	signals_close(&signals);
	return code;
}

static int
run_now(struct cmd_run *run)
{
	bool is_known;
	int  code = follow_now(run, &is_known);

	return is_known ? code
	                : console_fail(EXIT_PERMANENT,
	                               "no server follows that into this store; see `tidemark follow status`");
}

/* The verb is the command's second word. */
static int
run_order(struct cmd_run *run)
{
	AUTO(arena_close) struct arena *arena = arena_open(CALL_ARENA_MAX);
	AUTO(json_drop) struct json    *root = NULL;
	struct call                     call = { .verb = strchr(run->cmd->name, ' ') + 1,
		                                 .name = str_from_c(run->arg_count > 0 ? run->args[0] : NULL) };
	struct str                      why;
	enum err                        err = ask(run, &call, arena, &root, &why);

	if (err != OK)
		return ask_failed(err, why);
	put_scopes(run, root);
	return EXIT_DONE;
}

/* ---- the commands ----------------------------------------------------------------------------------------------- */

/* clang-format off */
#define JSON_OPTION { "json", NULL, "one JSON object a line for each scope", false }
#define FOLLOW(word, ...) \
	const struct cmd cmd_follow_##word = { .name = "follow " #word, .args = "[NAME]", \
	                                       .settings = conf_store_only, __VA_ARGS__ }
/* clang-format on */

FOLLOW(now, .summary = "begin a round at once, and wait for its end", .run = run_now,
       .options = OPTIONS(JSON_OPTION, { "exit-code", NULL, "exit with 9 if nothing has changed", false }),
       .about = ABOUT("Asks the server that follows (`serve --follow`) for a round now: of a section, of one scope "
                      "(SECTION:VALUE), of a URL, or of all. If a round is under way, another one comes after it. The "
                      "command waits for the end, prints each scope, and exits as `sync` does, with the worst code of "
                      "all. A signal ends only the waiting. `tidemark status` says why a round has failed.",
                      "A wait that the host of a scope has asked for is kept. If it is longer than five minutes, the "
                      "command ends with 5, and the round comes after the wait."),
       .examples = EXAMPLES({ "tidemark follow now calendars:ann", "Read the changes of one mailbox now" }),
       .exits = { EXIT_REFUSED, EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_EXCEPTIONS, EXIT_UNCHANGED, EXIT_GUARDED,
                  EXIT_INTERRUPTED, EXIT_TERMINATED });
FOLLOW(pause, .summary = "begin no more rounds", .run = run_order, .options = OPTIONS(JSON_OPTION),
       .about = ABOUT(
	       "The server that follows begins no more rounds of the section NAME, or of any. A round that is under "
	       "way goes on to its end. The store keeps this: it holds until `tidemark follow resume`, also "
	       "after a restart of the server. `tidemark sync` without a server does not ask for it."),
       .exits = { EXIT_AGAIN, EXIT_PERMANENT });
FOLLOW(resume, .summary = "go on after a pause", .run = run_order, .options = OPTIONS(JSON_OPTION),
       .about = ABOUT("The server follows the section NAME again, or all. What is overdue has its round at once."),
       .exits = { EXIT_AGAIN, EXIT_PERMANENT });
FOLLOW(status, .summary = "print what a server follows, and when it does so next", .run = run_order,
       .options = OPTIONS(JSON_OPTION),
       .about = ABOUT(
	       "Prints the scopes that the server follows, of a section or all: whether the round of each is under "
	       "way, waiting or paused, exit code and changes of its last round, how many rounds in a row have "
	       "failed, and when the next one begins. `tidemark status` prints what the store holds."),
       .exits = { EXIT_AGAIN, EXIT_PERMANENT });
