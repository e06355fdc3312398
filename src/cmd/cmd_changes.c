/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>

#include "store/replica_relation.h"
#include "sync/following.h"
#include "sync/owner.h"
#include "text/date.h"
#include "text/json_span.h"
#include "text/json_write.h"

#define LOOK_EVERY_MS  500
#define MARK_ARENA_MAX ((size_t)512 << 10)

static const char *const kinds[] = { "created", "updated", "removed", "returned" };

struct printing {
	struct cmd_run *run;
	struct replica *replica;
	int64_t         sid;         /* 0: all scopes */
	bool            heeds_marks; /* changes up to a scope's mark are skipped */
	bool            printed_too; /* the mark includes what was printed */
	uint64_t        n, count;
	struct str      scope; /* whose mark it is */
	uint64_t        mark;
	struct arena   *arena;
	bool            is_over; /* the changes can no longer be printed */
};

static enum replica_marks
marks_of(const struct printing *printing)
{
	if (!printing->heeds_marks)
		return REPLICA_NO_MARKS;
	return printing->printed_too ? REPLICA_PRINTED : REPLICA_ACKED;
}

/* ---- a line -------------------------------------------------------------------------------------------- */

/* All properties of a created or returned item are new. */
static void
put_all_names(struct json_out *json, struct str body)
{
	struct json_walk walk;
	struct json_span span;
	struct buf      *buf = json->buf;
	bool             first = true;

	buf_put_char(buf, '[');
	json_walk_open(&walk, body);
	while (json_walk_next(&walk, &span)) {
		if (!first)
			buf_put_char(buf, ',');
		first = false;
		buf_put_char(buf, '"');
		buf_put(buf, span.name);
		buf_put_char(buf, '"');
	}
	buf_put_char(buf, ']');
}

/* Lists of members in a line: {"members":{"added":[…],"removed":[…]}}. */
struct lists {
	struct out *out;
	struct str  relation;
	bool        is_removed, is_open;
	char        kept[REPLICA_NAME_MAX]; /* the relation's name */
};

static void
end_lists(struct lists *lists)
{
	buf_put(out_buf(lists->out), lists->is_open ? STR("]}}") : STR_EMPTY);
}

/* The members come in order: by relation, added ones first. */
static void
put_listed(struct lists *lists, struct str relation, bool is_removed, struct str member)
{
	struct buf *buf = out_buf(lists->out);
	bool        same = lists->is_open && str_eq(lists->relation, relation);

	if (!same) {
		buf_put(buf, lists->is_open ? STR("]},") : STR(",\"relations\":{"));
		json_quote(buf, relation);
		buf_put_char(buf, ':');
		memcpy(lists->kept, relation.at, relation.len);
		lists->relation = str_of(lists->kept, relation.len);
	}
	if (!same || lists->is_removed != is_removed)
		buf_printf(buf, "%s\"%s\":[", same ? "]," : "{", is_removed ? "removed" : "added");
	else
		buf_put_char(buf, ',');
	json_quote(buf, member);
	lists->is_open = true;
	lists->is_removed = is_removed;
	out_flush_some(lists->out);
}

/* Of a new item: all members that it has now. */
static enum err
put_members(struct replica *replica, const struct replica_change *change, struct lists *lists)
{
	struct replica_member member = { change->id, STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY };
	enum err              err;

	while ((err = replica_next_member(replica, change->sid, &member, &member)) == OK &&
	       str_eq(member.id, change->id))
		put_listed(lists, member.relation, false, member.member);
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
put_moved(struct replica *replica, const struct replica_change *change, struct lists *lists)
{
	struct replica_moved moved = { STR_EMPTY, STR_EMPTY, false };
	enum err             err;

	while ((err = replica_next_moved(replica, change->n, &moved, &moved)) == OK)
		put_listed(lists, moved.relation, moved.is_removed, moved.member);
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
put_relations(struct printing *printing, const struct replica_change *change)
{
	struct lists lists = { .out = printing->run->out };
	enum err     err = OK;

	if (change->kind == REPLICA_UPDATED)
		err = put_moved(printing->replica, change, &lists);
	else if (change->body.len > 0)
		err = put_members(printing->replica, change, &lists);
	end_lists(&lists);
	return err;
}

static enum err
put_change(struct printing *printing, const struct replica_change *change)
{
	struct out     *out = printing->run->out;
	struct json_out json = json_out_object(out_buf(out));
	char            at[DATE_TEXT_MAX];
	enum err        err;

	json_put_member_int(&json, STR("n"), (int64_t)change->n);
	json_put_member(&json, STR("change"), str_from_c(kinds[change->kind]));
	json_put_member(&json, STR("scope"), change->scope);
	json_put_member(&json, STR("id"), change->id);
	json_put_name(&json, STR("fields"));
	if (change->fields.len > 0) {
		json_put_raw(&json, change->fields);
	} else {
		json_put_raw(&json, STR_EMPTY);
		put_all_names(&json, change->body);
	}
	err = put_relations(printing, change);
	json_put_member_raw(&json, STR("value"), change->body.len ? change->body : STR("null"));
	json_put_member(&json, STR("at"), str_of(at, date_format(change->at_ms * 1000000, 0, at)));
	json_end_object(&json);
	buf_put_char(out_buf(out), '\n');
	out_flush_some(out);
	return err;
}

/* ---- marks --------------------------------------------------------------------------------------------- */

static enum err
find_state(struct printing *printing, struct str scope)
{
	struct replica_scope found;

	if (printing->scope.len > 0 && str_eq(printing->scope, scope))
		return OK;
	arena_reset(printing->arena);
	TRY(replica_find_scope(printing->replica, scope, printing->arena, &found));
	printing->scope = found.name;
	printing->mark = found.acked;
	if (printing->printed_too && found.printed > printing->mark)
		printing->mark = found.printed;
	return OK;
}

/* Deleted changes end the command: the reader would not notice the gap. */
static int
report_lost(struct printing *printing)
{
	struct replica_lost lost;
	uint64_t            head = 0;
	enum err err = replica_find_lost(printing->replica, printing->sid, printing->n, marks_of(printing), &lost);

	if (err == ERR_NOT_FOUND)
		return EXIT_DONE;
	if (err == OK)
		err = replica_head(printing->replica, &head);
	if (err != OK)
		return following_failed(printing->run, printing->replica, err);
	return console_fail(
		EXIT_PERMANENT,
		"changes up to number %llu of the scope \"%s\" are no longer kept: they were acknowledged, or are "
		"older than --keep-changes. Read the view `items` again, then go on with --since %llu, or --ack %llu",
		(unsigned long long)lost.n, lost.scope, (unsigned long long)head, (unsigned long long)head);
}

/* Prints all changes after printing->n. */
static int
print_all(struct printing *printing)
{
	struct replica_change change;
	enum err              err;
	int                   code;

	while ((err = replica_next_change(printing->replica, printing->sid, printing->n, &change)) == OK) {
		TRY_CODE(report_lost(printing));
		printing->n = change.n;
		if (printing->heeds_marks) {
			err = find_state(printing, change.scope);
			if (err != OK)
				break;
			if (change.n <= printing->mark)
				continue;
		}
		err = put_change(printing, &change);
		printing->count++;
		if (err != OK || printing->run->out->failed)
			break;
	}
	code = err == ERR_NOT_FOUND ? report_lost(printing) : EXIT_DONE;
	replica_end_read(printing->replica);
	if (code != EXIT_DONE)
		return code;
	if (err != OK && err != ERR_NOT_FOUND)
		return following_failed(printing->run, printing->replica, err);
	(void)out_flush(printing->run->out);
	return out_verdict(printing->run->out);
}

static int
read_number(const struct cmd_run *run, const char *option, uint64_t *number)
{
	const char *text = cmd_value(run, option);

	if (text && !str_to_u64(str_from_c(text), number))
		return cmd_usage(run, "--%s: \"%s\" is not a number", option, text);
	return EXIT_DONE;
}

static int
ack(struct printing *printing)
{
	AUTO(arena_close) struct arena *arena = arena_open(MARK_ARENA_MAX);
	struct replica_scope            scope = { 0 };
	uint64_t                        n = 0, head;
	enum err                        err;
	int                             code = read_number(printing->run, "ack", &n);

	if (code != EXIT_DONE || !cmd_has(printing->run, "ack"))
		return code;
	err = replica_head(printing->replica, &head);
	if (err == OK && n > head)
		return cmd_usage(printing->run, "--ack: the newest change has number %llu", (unsigned long long)head);
	while (err == OK && (err = replica_next_scope(printing->replica, scope.sid, arena, &scope)) == OK) {
		if (printing->sid == 0 || printing->sid == scope.sid)
			err = replica_ack(printing->replica, scope.sid, n);
		arena_reset(arena);
	}
	return err == ERR_NOT_FOUND ? EXIT_DONE : following_failed(printing->run, printing->replica, err);
}

static int
begin(struct printing *printing)
{
	int code = read_number(printing->run, "since", &printing->n);

	printing->heeds_marks = !cmd_has(printing->run, "since");
	return code;
}

/* ---- with a URL ---------------------------------------------------------------------------------------- */

/* Records what was printed, so that the next run does not print it again. */
static int
print_round(struct following *following, struct printing *printing)
{
	int      code = print_all(printing);
	enum err err = OK;

	printing->scope = STR_EMPTY;
	if (code == EXIT_DONE && printing->heeds_marks && printing->n > 0)
		err = replica_mark_printed(following->replica, printing->sid, printing->n);
	return err == OK ? code : following_failed(following->run, following->replica, err);
}

static int
changes_round(struct following *following, struct printing *printing)
{
	uint64_t before = printing->count;
	int      code = following_round(following), verdict, printed;

	/* A failed round changes nothing. Earlier changes can still be printed. */
	printed = print_round(following, printing);
	printing->is_over = printed != EXIT_DONE;
	if (printing->is_over && (code == EXIT_DONE || code == EXIT_AGAIN))
		return printed;
	TRY_CODE(code);
	TRY_CODE(following_trim(following));
	TRY_CODE(following_content(following));
	verdict = following_verdict(following);
	if (verdict == EXIT_UNCHANGED && printing->count > before)
		return EXIT_DONE;
	return verdict;
}

static int
changes_of_url(struct printing *printing)
{
	AUTO(following_close) struct following following;
	int                                    code = following_open(printing->run, &following, NULL);

	TRY_CODE(code);
	printing->replica = following.replica;
	printing->sid = follow_sid(following.follow);
	printing->printed_too = true;
	following.trims_later = true;
	TRY_CODE(ack(printing));
	TRY_CODE(begin(printing));
	code = changes_round(&following, printing);
	while (following.goes_on && !printing->is_over && following_goes_on(code)) {
		code = following_rest(&following, code);
		if (code == EXIT_DONE)
			code = changes_round(&following, printing);
	}
	return code;
}

/* ---- of the store -------------------------------------------------------------------------------------- */

static int
follow_store(struct printing *printing)
{
	struct signals signals;
	int            code = EXIT_DONE;

	signals_open(&signals);
	while (code == EXIT_DONE && !signals_came(&signals)) {
		signals_sleep(&signals, printing->run->clock, LOOK_EVERY_MS);
		code = print_all(printing);
	}
	if (code == EXIT_DONE)
		code = signals_code(&signals);
	signals_close(&signals);
	return code;
}

/* Refuses the options about following when there is no URL. */
static int
refuse_without_url(struct cmd_run *run)
{
	static const char *const good[] = { "scope", "since", "ack", "follow", "json", "exit-code" };

	for (const struct cmd_option *option = run->cmd->options; option->name; option++) {
		bool is_good = false;

		for (size_t j = 0; j < COUNT_OF(good); j++)
			is_good = is_good || strcmp(option->name, good[j]) == 0;
		if (!is_good && cmd_has(run, option->name))
			return cmd_usage(run,
			                 "--%s needs a URL: without one `changes` only prints what the store holds; "
			                 "--follow goes on for ever",
			                 option->name);
	}
	if (cmd_has(run, "follow") && cmd_has(run, "exit-code"))
		return cmd_usage(run, "--exit-code with --follow needs a URL");
	return EXIT_DONE;
}

static int
changes_of_store(struct printing *printing)
{
	AUTO(replica_close) struct replica *replica = NULL;

	TRY_CODE(refuse_without_url(printing->run));
	TRY_CODE(cmd_has(printing->run, "ack") ? following_own(printing->run, &replica)
	                                       : following_look(printing->run, &replica));
	printing->replica = replica;
	TRY_CODE(following_find_scope(printing->run, printing->replica, &printing->sid));
	TRY_CODE(ack(printing));
	TRY_CODE(begin(printing));
	TRY_CODE(print_all(printing));
	if (cmd_has(printing->run, "follow"))
		return follow_store(printing);
	return cmd_has(printing->run, "exit-code") && printing->count == 0 ? EXIT_UNCHANGED : EXIT_DONE;
}

static int
run_changes(struct cmd_run *run)
{
	AUTO(arena_close) struct arena *arena = arena_open(MARK_ARENA_MAX);
	struct printing                 printing = { .run = run, .arena = arena };
	struct replica_scope            scope;
	struct replica_asking           asking;

	if (run->arg_count == 0)
		return changes_of_store(&printing);
	/* Whose changes are printed must not depend on the credential alone. */
	TRY_CODE(asking_read_url(run));
	TRY_CODE(owner_look(run, &scope, &asking));
	return changes_of_url(&printing);
}

const struct cmd cmd_changes = {
	.name = "changes",
	.summary = "print changes as JSON Lines",
	.args = "[URL]",
	.settings = SETTINGS(CONF_STORE, CONF_MAX_CONTENT),
	.options = OPTIONS(FOLLOWING_SHARED_OPTIONS, FOLLOWING_SYNC_OPTIONS,
	                   { "since", "N", "print the changes after number N", false },
	                   { "ack", "N", "first record that the changes up to number N are processed", false },
	                   { "follow", NULL, "run until stopped; with a URL the same as --watch", false },
	                   { "json", NULL, "no effect: every line is JSON", false }),
	.about = ABOUT(
		"Prints changes as JSON Lines: {\"n\", \"change\", \"scope\", \"id\", \"fields\", \"value\", "
		"\"at\"}. `change` is created, updated, removed or returned (back after a removal). `fields` names "
		"the properties that are new or different. `value` is the item as it is now, or null if it was "
		"removed. `relations`, if the change has any, names the members that came and went: {\"members\": "
		"{\"added\": [...], \"removed\": [...]}}; a new item has all its members under \"added\".",
		"With a URL the command first does what `tidemark sync` does, then prints the changes that it has "
		"not printed for that URL before. Without a URL it prints what the store holds: all changes after "
		"the number given to --ack. It also works beside a running follower. Options about following then "
		"need a URL.",
		"Every change is printed at least once, even if the program is killed. `n` rises and is never used "
		"twice. To process every change exactly once, keep the last n and start with --since N, or "
		"acknowledge it with --ack N.",
		"Acknowledged changes are deleted a day later, after a round. Changes that nobody acknowledges are "
		"deleted when they are older than --keep-changes. With a URL the command prints new changes before "
		"it deletes any, even with 0s. If the changes you ask for were deleted, the command exits with 6. "
		"Then read the view `items` again and continue with the number in the message.",
		FOLLOWING_ABOUT_CREDENTIALS),
	.examples = EXAMPLES({ "tidemark changes URL --bearer-file token | jq -r 'select(.change == \"removed\").id'",
	                       "What was removed since the last run" },
	                     { "tidemark changes --since 1200 --follow",
	                       "What a running `tidemark sync --watch` finds, from number 1201" }),
	.is_for_files = true,
	.exits = { FOLLOWING_EXITS },
	.run = run_changes,
};
