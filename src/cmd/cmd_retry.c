/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>

#include "sync/following.h"
#include "text/json_write.h"

#define LETTER_ARENA_MAX ((size_t)8 << 20)

static enum err
forget(struct replica *replica, int64_t sid, uint64_t *forgotten_out)
{
	AUTO(arena_close) struct arena *arena = arena_open(LETTER_ARENA_MAX);
	struct replica_dead_letter      letter = { 0 };
	enum err                        err;

	*forgotten_out = 0;
	while ((err = replica_next_dead_letter(replica, sid, letter.lid, arena, &letter)) == OK) {
		TRY(replica_drop_dead_letter(replica, letter.lid));
		++*forgotten_out;
		arena_reset(arena);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

static void
report(struct cmd_run *run, const struct follow_retried *retried, uint64_t forgotten)
{
	struct json_out json;

	if (!cmd_has(run, "json")) {
		console_say("%llu stored, %llu left, %llu forgotten", (unsigned long long)retried->mended,
		            (unsigned long long)retried->left, (unsigned long long)forgotten);
		return;
	}
	json = json_out_object(out_buf(run->out));
	json_put_member_int(&json, STR("mended"), (int64_t)retried->mended);
	json_put_member_int(&json, STR("left"), (int64_t)retried->left);
	json_put_member_int(&json, STR("forgotten"), (int64_t)forgotten);
	out_end_object(run->out, &json);
}

static int
retry(struct cmd_run *run, struct replica *replica, const struct follow_retrying *retrying)
{
	struct follow_retried retried = { 0 };
	uint64_t              forgotten = 0;
	enum err              err;

	err = cmd_has(run, "forget") ? forget(replica, retrying->sid, &forgotten) : follow_retry(retrying, &retried);
	if (err != OK)
		return following_failed(run, replica, err);
	report(run, &retried, forgotten);
	return retried.left > 0 ? EXIT_EXCEPTIONS : EXIT_DONE;
}

/* As if its URL and its name had been given. */
static int
open_one(struct cmd_run *run, const struct replica_scope *scope, struct following *following)
{
	char **args = arena_take(run->arena, sizeof(*args));

	args[0] = arena_take(run->arena, scope->url.len + 1);
	memcpy(args[0], scope->url.at, scope->url.len);
	run->args = args;
	if (!cmd_has(run, "scope"))
		run->given[run->given_count++] = (struct cmd_given){ run->cmd->options,
			                                             arena_c(run->arena, scope->name) };
	return following_open(run, following, NULL);
}

/* A credential is for one scope: another one may be of another remote, or of another owner. */
static int
retry_one(struct cmd_run *run, const struct replica_scope *scope)
{
	AUTO(following_close) struct following following;
	struct follow_http                     http;
	struct follow_source                   source;
	int                                    code = open_one(run, scope, &following);

	TRY_CODE(code);
	http = following.http;
	http.fetch = following.curl;
	source = follow_http_source(&http);
	return retry(
		run, following.replica,
		&(struct follow_retrying){ following.replica, scope->sid, run->clock, &source, following.conf.bearer });
}

/* The scope of --scope, or the only one with dead letters; sid 0: there is none. */
static int
find_one(struct cmd_run *run, struct replica_scope *scope_out)
{
	AUTO(arena_close) struct arena     *arena = arena_open(LETTER_ARENA_MAX);
	AUTO(replica_close) struct replica *replica = NULL;
	struct replica_scope                scope = { .sid = 0 };
	int64_t                             sid, only = 0;
	unsigned                            count = 0;

	*scope_out = scope;
	TRY_CODE(following_own(run, &replica));
	TRY_CODE(following_find_scope(run, replica, &sid));
	for (; sid == 0 && replica_next_scope(replica, scope.sid, arena, &scope) == OK; arena_reset(arena))
		if (scope.letters > 0 && ++count == 1)
			only = scope.sid;
	if (count == 1 && run->given_count < CMD_GIVEN_MAX)
		sid = only;
	return sid == 0 || replica_get_scope(replica, sid, run->arena, scope_out) == OK
	               ? EXIT_DONE
	               : following_failed(run, replica, ERR_CORRUPT);
}

static int
run_retry(struct cmd_run *run)
{
	AUTO(replica_close) struct replica *replica = NULL;
	struct replica_scope                scope;

	TRY_CODE(find_one(run, &scope));
	if (scope.sid != 0 && !cmd_has(run, "forget"))
		return retry_one(run, &scope);
	TRY_CODE(following_own(run, &replica));
	return retry(run, replica, &(struct follow_retrying){ replica, scope.sid, run->clock, NULL, NULL });
}

const struct cmd cmd_retry = {
	.name = "retry",
	.summary = "try again to store dead letters",
	.settings = conf_store_only,
	.options = OPTIONS({ "scope", "NAME", "only that scope", false }, CREDENTIAL_OPTIONS, ASKING_HEADER_OPTION,
	                   { "ca", "FILE", "certificates (PEM) to trust instead of the system's", false },
	                   { "forget", NULL, "delete the dead letters instead", false },
	                   { "json", NULL, "one JSON object: `mended`, `left`, `forgotten`", false }),
	.about = ABOUT(
		"Tries again to store the dead letters: items that could not be stored when they arrived. `tidemark "
		"status` lists them. The remote does not send them again until they change. An item that can be "
		"stored now becomes part of the view, with a change of its own. If some dead letters remain, the "
		"command exits with 8.",
		"Of an item that was too large only the beginning is kept. With --scope, or if only one scope has "
		"dead letters, the command asks the remote for such an item by its own URL. It needs the credential "
		"of `tidemark sync` for that. Where an item has no URL of its own, `tidemark sync --resync` reads it "
		"again. Where the feed lists nothing either (planner, --from-now), the item comes again when it "
		"changes.",
		FOLLOWING_ABOUT_CREDENTIALS),
	.examples = EXAMPLES({ "tidemark retry --scope calendars", "Try again what could not be stored" },
	                     { "tidemark retry --forget", "Accept that they are lost" }),
	.is_for_files = true,
	.exits = { EXIT_REFUSED, EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_EXCEPTIONS, EXIT_LOCKED },
	.run = run_retry,
};
