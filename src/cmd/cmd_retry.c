/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "sync/following.h"
#include "text/json_write.h"

#define LETTER_ARENA_MAX ((size_t)8 << 20)

static const struct cmd_option options[] = {
	{ "scope", "NAME", "only that scope", false },
	{ "forget", NULL, "delete the dead letters instead", false },
	{ "json", NULL, "one JSON object: `mended`, `left`, `forgotten`", false },
	{ 0 },
};

static const char *const about[] = {
	"Tries again to store the dead letters: items that could not be stored when they arrived. `tidemark status` "
	"lists them. The remote does not send them again until they change. An item that can be stored now becomes "
	"part of the view, with a change of its own. If some dead letters remain, the command exits with 8.",
	NULL,
};

static const struct cmd_example examples[] = {
	{ "tidemark retry --scope calendars", "Try again what could not be stored" },
	{ "tidemark retry --forget", "Accept that they are lost" },
	{ 0 },
};

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
retry(struct cmd_run *run, struct replica *replica)
{
	struct follow_retried retried = { 0 };
	uint64_t              forgotten = 0;
	int64_t               sid;
	enum err              err;

	TRY_CODE(following_find_scope(run, replica, &sid));
	err = cmd_has(run, "forget") ? forget(replica, sid, &forgotten)
	                             : follow_retry(replica, sid, run->clock, &retried);
	if (err != OK)
		return following_failed(run, replica, err);
	report(run, &retried, forgotten);
	return retried.left > 0 ? EXIT_EXCEPTIONS : EXIT_DONE;
}

static int
run_retry(struct cmd_run *run)
{
	AUTO(replica_close) struct replica *replica = NULL;

	TRY_CODE(following_own(run, &replica));
	return retry(run, replica);
}

const struct cmd cmd_retry = {
	.name = "retry",
	.summary = "try again to store dead letters",
	.settings = conf_store_only,
	.options = options,
	.about = about,
	.examples = examples,
	.is_for_files = true,
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_EXCEPTIONS, EXIT_LOCKED },
	.run = run_retry,
};
