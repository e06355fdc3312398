/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "resource/family.h"
#include "resource/resource.h"
#include "sync/following.h"
#include "text/date.h"
#include "text/json_write.h"

#define ARENA_MAX     ((size_t)8 << 20)
#define LETTERS_SHOWN 20

static const char *
phase_name(enum replica_phase phase)
{
	static const char *const names[] = { "idle", "round", "settling" };

	return names[phase];
}

/* -1 before the first whole round. */
static int64_t
age_s(const struct cmd_run *run, const struct replica_scope *scope)
{
	return scope->round_ended_ms == 0 ? -1 : (clock_wall_ms(run->clock) - scope->round_ended_ms) / 1000;
}

static struct str
updates_of(const struct replica_scope *scope)
{
	bool complete = family_of_url(scope->url)->updates == UPDATES_COMPLETE;

	if (scope->updates != REPLICA_BY_RESOURCE)
		complete = scope->updates == REPLICA_COMPLETE;
	return complete ? STR("complete") : STR("partial");
}

/* By its name: that of the section, or the section's, a colon and a value.  Empty: it is of none. */
static struct str
section_of(const struct cmd_run *run, const struct replica_scope *scope)
{
	struct str front = str_first(scope->name, str_find(scope->name, ':'));

	for (const struct conf_part *section = run->conf.scopes; section; section = section->next)
		if (str_eq(section->name, section->has[CONF_SCOPE_FOR_EACH] ? front : scope->name))
			return section->name;
	return STR_EMPTY;
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

static void
put_moment(struct json_out *json, struct str name, int64_t ms)
{
	char   text[DATE_TEXT_MAX];
	size_t len;

	if (ms <= 0 || ms > INT64_MAX / 1000000) {
		json_put_member_raw(json, name, STR("null"));
		return;
	}
	len = date_format(ms * 1000000, 0, text);
	json_put_member(json, name, str_of(text, len));
}

static void
put_scope_json(struct cmd_run *run, struct json_out *json, const struct replica_scope *scope,
               const struct replica_asking *asking)
{
	int64_t age = age_s(run, scope);

	json_put_object(json);
	json_put_member(json, STR("scope"), scope->name);
	json_put_member(json, STR("url"), scope->url);
	json_put_member(json, STR("resource"), scope->resource);
	json_put_member_int(json, STR("items"), (int64_t)scope->items);
	json_put_member_int(json, STR("rounds"), (int64_t)scope->rounds);
	put_moment(json, STR("lastRound"), scope->round_ended_ms);
	if (age < 0)
		json_put_member_raw(json, STR("cursorAgeSeconds"), STR("null"));
	else
		json_put_member_int(json, STR("cursorAgeSeconds"), age);
	json_put_member(json, STR("phase"), str_from_c(phase_name(scope->phase)));
	json_put_member_int(json, STR("roundPages"), (int64_t)scope->round_pages);
	json_put_member_int(json, STR("roundItems"), (int64_t)scope->round_items);
	json_put_name(json, STR("throttledSeconds"));
	json_put_raw(json, arena_printf(run->arena, "%.3f", (double)scope->throttled_ms / 1000));
	json_put_member_int(json, STR("deadLetters"), (int64_t)scope->letters);
	json_put_member_int(json, STR("acked"), (int64_t)scope->acked);
	json_put_member(json, STR("updates"), updates_of(scope));
	json_put_member(json, STR("rule"), scope->rule.len > 0 ? scope->rule : STR("id"));
	json_put_member(json, STR("prefer"), asking->prefer);
	json_put_member_int(json, STR("pageSize"),
	                    asking->page_size > 0 ? asking->page_size : family_of_url(scope->url)->page_size);
	if (scope->owner.len > 0)
		json_put_member(json, STR("owner"), scope->owner);
	else
		json_put_member_raw(json, STR("owner"), STR("null"));
	put_moment(json, STR("gapAt"), scope->gap_ms);
	json_put_member(json, STR("fault"), scope->fault);
	put_moment(json, STR("faultAt"), scope->fault_ms);
	json_put_member(json, STR("section"), section_of(run, scope));
	json_end_object(json);
}

static void
put_letter_json(struct json_out *json, const struct replica_dead_letter *letter)
{
	json_put_object(json);
	json_put_member_int(json, STR("letter"), letter->lid);
	json_put_member(json, STR("scope"), letter->scope);
	json_put_member(json, STR("id"), letter->id);
	json_put_member(json, STR("reason"), letter->reason);
	put_moment(json, STR("at"), letter->at_ms);
	json_put_member_int(json, STR("attempts"), letter->attempts);
	json_put_member(json, STR("raw"), letter->raw);
	json_end_object(json);
}

/* ---- text ---------------------------------------------------------------------------------------------- */

static struct str
age_text(struct arena *arena, int64_t age)
{
	if (age < 0)
		return STR("never");
	if (age < 120)
		return arena_printf(arena, "%llds", (long long)age);
	if (age < 7200)
		return arena_printf(arena, "%lldm", (long long)age / 60);
	return age < 172800 ? arena_printf(arena, "%lldh", (long long)age / 3600)
	                    : arena_printf(arena, "%lldd", (long long)age / 86400);
}

/* What a scope keeps of how it is asked for, where it is not the usual. */
static void
put_asking_text(struct cmd_run *run, struct arena *arena, const struct replica_scope *scope,
                const struct replica_asking *asking)
{
	struct str link;

	if (scope->owner.len > 0)
		out_printf(run->out, "    owner: %.*s\n", STR_ARG(scope->owner));
	else if (follow_owner_link(scope->url, arena, &link))
		out_put(run->out, STR("    owner: unknown; no credential has said whose data it is\n"));
	if (asking->prefer.len > 0)
		out_printf(run->out, "    prefer: %.*s\n", STR_ARG(asking->prefer));
	if (asking->page_size > 0)
		out_printf(run->out, "    page size: %u, since larger pages are too large\n", asking->page_size);
	if (scope->rule.len > 0)
		out_printf(run->out, "    rule: %.*s\n", STR_ARG(scope->rule));
}

static void
put_scope_text(struct cmd_run *run, struct arena *arena, const struct replica_scope *scope,
               const struct replica_asking *asking)
{
	struct str section = section_of(run, scope);
	char       gap[DATE_TEXT_MAX];

	out_printf(run->out, "%-24.*s %10llu  %8.*s  %8.1fs  %6llu  %s", STR_ARG(scope->name),
	           (unsigned long long)scope->items, STR_ARG(age_text(run->arena, age_s(run, scope))),
	           (double)scope->throttled_ms / 1000, (unsigned long long)scope->letters, phase_name(scope->phase));
	if (scope->phase != REPLICA_IDLE)
		out_printf(run->out, " (%llu pages, %llu items)", (unsigned long long)scope->round_pages,
		           (unsigned long long)scope->round_items);
	out_printf(run->out, section.len > 0 ? "  [%.*s]\n" : "%.*s\n", STR_ARG(section));
	put_asking_text(run, arena, scope, asking);
	if (scope->updates != REPLICA_BY_RESOURCE)
		out_printf(run->out, "    updates are taken as %.*s items (%s)\n", STR_ARG(updates_of(scope)),
		           scope->updates == REPLICA_COMPLETE ? "--replace" : "--merge");
	if (scope->gap_ms > 0)
		out_printf(run->out, "    changes before %.*s are lost: the remote no longer knew the saved link\n",
		           (int)date_format(scope->gap_ms * 1000000, 0, gap), gap);
	if (scope->fault.len > 0)
		out_printf(run->out, "    last run: %.*s\n", STR_ARG(console_visible(scope->fault, arena)));
}

/* ---- the walk ------------------------------------------------------------------------------------------ */

struct walk {
	struct cmd_run *run;
	struct replica *replica;
	struct arena   *arena;
	int64_t         sid;
	bool            as_json;
	struct json_out json;
};

static enum err
put_scopes(struct walk *walk)
{
	struct replica_scope  scope = { 0 };
	struct replica_asking asking;
	enum err              err;

	while ((err = replica_next_scope(walk->replica, scope.sid, walk->arena, &scope)) == OK) {
		if (walk->sid != 0 && walk->sid != scope.sid)
			continue;
		TRY(replica_get_asking(walk->replica, scope.sid, walk->arena, &asking));
		if (walk->as_json)
			put_scope_json(walk->run, &walk->json, &scope, &asking);
		else
			put_scope_text(walk->run, walk->arena, &scope, &asking);
		out_flush_some(walk->run->out);
		arena_reset(walk->arena);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
put_letters(struct walk *walk)
{
	struct replica_dead_letter letter = { 0 };
	enum err                   err;
	unsigned                   shown = 0;

	while (shown < LETTERS_SHOWN &&
	       (err = replica_next_dead_letter(walk->replica, walk->sid, letter.lid, walk->arena, &letter)) == OK) {
		if (walk->as_json)
			put_letter_json(&walk->json, &letter);
		else
			out_printf(walk->run->out, "dead letter %lld of %.*s: %.*s\n", (long long)letter.lid,
			           STR_ARG(letter.scope), STR_ARG(console_visible(letter.reason, walk->arena)));
		out_flush_some(walk->run->out);
		shown++;
		arena_reset(walk->arena);
	}
	return shown == LETTERS_SHOWN || err == ERR_NOT_FOUND ? OK : err;
}

static enum err
put_json(struct walk *walk)
{
	uint64_t head;

	TRY(replica_head(walk->replica, &head));
	walk->json = json_out_object(out_buf(walk->run->out));
	json_put_member_int(&walk->json, STR("head"), (int64_t)head);
	json_put_name(&walk->json, STR("scopes"));
	json_put_array(&walk->json);
	TRY(put_scopes(walk));
	json_end_array(&walk->json);
	json_put_name(&walk->json, STR("deadLetters"));
	json_put_array(&walk->json);
	TRY(put_letters(walk));
	json_end_array(&walk->json);
	out_end_object(walk->run->out, &walk->json);
	return OK;
}

static enum err
put_text(struct walk *walk)
{
	out_printf(walk->run->out, "%-24s %10s  %8s  %9s  %6s  %s\n", "SCOPE", "ITEMS", "AGE", "THROTTLED", "DEAD",
	           "STATE");
	TRY(put_scopes(walk));
	return put_letters(walk);
}

static int
run_status(struct cmd_run *run)
{
	AUTO(arena_close) struct arena     *arena = arena_open(ARENA_MAX);
	AUTO(replica_close) struct replica *replica = NULL;
	struct walk                         walk = { .run = run, .arena = arena, .as_json = cmd_has(run, "json") };
	enum err                            err;

	TRY_CODE(following_look(run, &replica));
	TRY_CODE(following_find_scope(run, replica, &walk.sid));
	walk.replica = replica;
	err = walk.as_json ? put_json(&walk) : put_text(&walk);
	return err == OK ? EXIT_DONE : following_failed(run, replica, err);
}

const struct cmd cmd_status = {
	.name = "status",
	.summary = "print the state of what is followed",
	.settings = conf_store_only,
	.options = OPTIONS({ "scope", "NAME", "only that scope", false },
	                   { "json", NULL, "one JSON object: `head`, `scopes`, `deadLetters`", false }),
	.about = ABOUT(
		"Prints the state of each scope: its items, the end of its last whole round, the age of its cursor, "
		"how long the remote made it wait, its dead letters (items that could not be stored), how far a "
		"running or interrupted round is, and the failure of the last run. Of a URL of /me it says whose "
		"data the scope holds. What the scope keeps is shown, too: preferences, a smaller page size, a rule "
		"by which its items are read.",
		"A scope that a [scope \"name\"] section of the configuration file follows shows the section in "
		"brackets. If `sync --all` no longer follows it because its value is no longer listed, its last run "
		"says so.",
		"The command only reads the store, so it works beside a running follower."),
	.examples = EXAMPLES({ "tidemark status --json | jq '.scopes[] | select(.cursorAgeSeconds > 3600).scope'",
	                       "Which scopes are an hour behind" }),
	.is_for_files = true,
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED },
	.run = run_status,
};
