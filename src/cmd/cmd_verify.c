/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows the URL from the start into a temporary replica beside the store, then compares the two views in order of
 * id. The store is only read.
 */

#include "cmd/cmd.h"

#include "store/replica_relation.h"
#include "sync/following.h"
#include "sync/owner.h"
#include "sync/verify_copy.h"
#include "text/json_write.h"

#define ARENA_MAX  ((size_t)1 << 20)
#define FIELDS_MAX ((size_t)1 << 20)

struct side {
	struct replica *replica;
	int64_t         sid;
	struct str      id, body;
	bool            ended;

	struct replica_member member;
};

struct comparing {
	struct cmd_run *run;
	struct side     here, there;
	struct buf      fields;
	struct arena   *arena; /* for one line */
	uint64_t        items, missing, extra, different;
};

static void
report(struct comparing *comparing, const char *what, struct str id, struct str fields)
{
	struct out     *out = comparing->run->out;
	struct json_out json;

	if (!cmd_has(comparing->run, "json")) {
		out_printf(out, "%s %.*s%s%.*s\n", what, STR_ARG(id), fields.len ? " " : "", STR_ARG(fields));
		out_flush_some(out);
		return;
	}
	json = json_out_object(out_buf(out));
	json_put_member(&json, STR("difference"), str_from_c(what));
	json_put_member(&json, STR("id"), id);
	json_put_member_raw(&json, STR("fields"), fields.len ? fields : STR("[]"));
	out_end_object(out, &json);
	out_flush_some(out);
}

static enum err
step(struct side *side)
{
	enum err err = replica_next_item(side->replica, side->sid, side->id, &side->id, &side->body);

	side->ended = err == ERR_NOT_FOUND;
	return side->ended ? OK : err;
}

/* What only one side has: below 0 here, above 0 there. */
static void
report_one(struct comparing *comparing, int order, struct str id)
{
	*(order < 0 ? &comparing->extra : &comparing->missing) += 1;
	report(comparing, order < 0 ? "extra" : "missing", id, STR_EMPTY);
}

static enum err
compare_one(struct comparing *comparing)
{
	struct side *here = &comparing->here, *there = &comparing->there;
	int          order = here->ended ? 1 : there->ended ? -1 : str_cmp(here->id, there->id);

	comparing->items++;
	if (order != 0) {
		report_one(comparing, order, order < 0 ? here->id : there->id);
		return step(order < 0 ? here : there);
	}
	buf_cut(&comparing->fields, 0);
	if (follow_items_differ(here->body, there->body, &comparing->fields)) {
		comparing->different++;
		report(comparing, "different", here->id,
		       buf_err(&comparing->fields) == OK ? buf_str(&comparing->fields) : STR_EMPTY);
	}
	TRY(step(here));
	return step(there);
}

/* ---- relations ------------------------------------------------------------------------------------------- */

static int
order_of(const struct replica_member *a, const struct replica_member *b)
{
	int order = str_cmp(a->id, b->id);

	if (order == 0)
		order = str_cmp(a->relation, b->relation);
	return order ? order : str_cmp(a->member, b->member);
}

static enum err
step_member(struct side *side)
{
	enum err err = replica_next_member(side->replica, side->sid, &side->member, &side->member);

	side->ended = err == ERR_NOT_FOUND;
	return side->ended ? OK : err;
}

static enum err
compare_member(struct comparing *comparing)
{
	struct side *here = &comparing->here, *there = &comparing->there;
	int          order = here->ended ? 1 : there->ended ? -1 : order_of(&here->member, &there->member);
	struct side *only = order < 0 ? here : there;

	if (order != 0) {
		arena_reset(comparing->arena);
		report_one(comparing, order,
		           arena_printf(comparing->arena, "%.*s %.*s %.*s", STR_ARG(only->member.id),
		                        STR_ARG(only->member.relation), STR_ARG(only->member.member)));
		return step_member(only);
	}
	TRY(step_member(here));
	return step_member(there);
}

static enum err
compare_members(struct comparing *comparing)
{
	struct side *here = &comparing->here, *there = &comparing->there;

	TRY(step_member(here));
	TRY(step_member(there));
	while (!here->ended || !there->ended)
		TRY(compare_member(comparing));
	return OK;
}

static enum err
compare_all(struct comparing *comparing)
{
	struct side *here = &comparing->here, *there = &comparing->there;

	here->id = there->id = STR_EMPTY;
	TRY(replica_begin_read(here->replica));
	TRY(step(here));
	TRY(step(there));
	while (!here->ended || !there->ended)
		TRY(compare_one(comparing));
	TRY(compare_members(comparing));
	replica_end_read(here->replica);
	return OK;
}

static int
compare(struct following *following, struct replica *replica, int64_t sid)
{
	AUTO(arena_close) struct arena *arena = arena_open(ARENA_MAX);
	struct comparing                comparing = { .run = following->run,
		                                      .arena = arena,
		                                      .here = { .replica = replica, .sid = sid },
		                                      .there = { .replica = following->replica,
		                                                 .sid = follow_sid(following->follow) } };
	enum err                        err;

	buf_open(&comparing.fields, FIELDS_MAX);
	err = compare_all(&comparing);
	buf_close(&comparing.fields);
	if (err != OK)
		return following_failed(following->run, replica, err);
	console_say("%llu items compared: %llu missing, %llu extra, %llu different",
	            (unsigned long long)comparing.items, (unsigned long long)comparing.missing,
	            (unsigned long long)comparing.extra, (unsigned long long)comparing.different);
	return comparing.missing + comparing.extra + comparing.different > 0 ? EXIT_DIFFERENT : EXIT_DONE;
}

/* The scope of the store that follows this URL. */
static int
find_here(struct cmd_run *run, struct replica *replica, int64_t *sid_out)
{
	struct replica_scope scope;

	TRY_CODE(owner_find_scope(run, replica, &scope));
	if (scope.rounds == 0)
		return console_fail(EXIT_PERMANENT, "this URL has not been followed yet%s; `tidemark sync` does that",
		                    cmd_has(run, "scope") ? " as that scope" : "");
	*sid_out = scope.sid;
	return EXIT_DONE;
}

static int
follow_copy(struct cmd_run *run, const struct verify_copy *copy, struct replica *replica, int64_t sid)
{
	AUTO(following_close) struct following following;

	TRY_CODE(following_open(run, &following, copy->path));
	TRY_CODE(following_round(&following));
	return compare(&following, replica, sid);
}

static int
verify(struct cmd_run *run, struct replica *replica)
{
	struct verify_copy copy;
	const char        *path;
	int64_t            sid = 0;
	int                code;

	TRY_CODE(asking_read_url(run));
	TRY_CODE(find_here(run, replica, &sid));
	if (store_url_path(conf_get(&run->conf, CONF_STORE), run->arena, &path) != OK)
		return cmd_usage(run, "--store: a file is needed");
	code = verify_copy_open(run, path, &copy);
	if (code == EXIT_DONE)
		code = follow_copy(run, &copy, replica, sid);
	verify_copy_close(&copy, run->arena);
	return code;
}

static int
repair(struct cmd_run *run)
{
	AUTO(following_close) struct following following;
	const struct replica_tally            *tally = &following.last.tally;

	TRY_CODE(out_flush(run->out) ? EXIT_DONE : out_verdict(run->out));
	TRY_CODE(following_open(run, &following, NULL));
	TRY_CODE(following_round(&following));
	console_say("repaired: %llu created, %llu updated, %llu removed, %llu returned",
	            (unsigned long long)tally->created, (unsigned long long)tally->updated,
	            (unsigned long long)tally->removed, (unsigned long long)tally->returned);
	return following_verdict(&following);
}

static int
run_verify(struct cmd_run *run)
{
	struct replica *replica = NULL;
	int             code = following_look(run, &replica);

	if (code == EXIT_DONE)
		code = verify(run, replica);
	replica_close(&replica);
	return code == EXIT_DIFFERENT && cmd_has(run, "repair") ? repair(run) : code;
}

const struct cmd cmd_verify = {
	.name = "verify",
	.summary = "compare a scope with a new listing",
	.args = "URL",
	.settings = conf_store_only,
	.options = OPTIONS(FOLLOWING_SHARED_OPTIONS,
	                   { "repair", NULL,
	                     "if they differ, read everything again and apply what differs, as `sync --resync` does",
	                     false },
	                   { "max-delete", "PERCENT",
	                     "with --repair: how many of the items may be removed (default: 30%)", false },
	                   { "json", NULL, "a JSON object for each difference: `difference`, `id`, `fields`", false }),
	.about = ABOUT(
		"Lists a followed URL from the start and compares the listing with the store. It prints one line per "
		"difference: `missing` for an item that the store does not have, `extra` for one that is no longer "
		"listed, `different` with the properties that differ. A member of a relation is one line with id, "
		"relation and member. It does not compare annotations (@odata...).",
		"The command only reads the store, so it works beside a running follower. A change since the last "
		"round is also a difference: run `tidemark sync` first.",
		"With --repair the command then reads the list once more and applies what differs. It needs the lock "
		"of the store for that. Readers of changes get each difference as a change. It exits with 0 if the "
		"store is right afterwards.",
		"While it runs, the listing is in a file beside the store, STORE.verify-PID. If the folder of the "
		"store cannot be written, the file is in the folder TMPDIR (default: /tmp). It needs as much space "
		"as the scope.",
		FOLLOWING_ABOUT_CREDENTIALS),
	.examples = EXAMPLES({ "tidemark verify URL --bearer-file token || echo differs",
	                       "Does the store hold what the remote lists?" }),
	.is_for_files = true,
	.exits = { EXIT_REFUSED, EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_EXCEPTIONS, EXIT_DIFFERENT,
	           EXIT_GUARDED, EXIT_LOCKED, EXIT_INTERRUPTED, EXIT_TERMINATED },
	.run = run_verify,
};
