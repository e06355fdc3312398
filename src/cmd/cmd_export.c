/* SPDX-License-Identifier: Apache-2.0 */

#include "auth/policy.h"
#include "cmd/export_scope.h"
#include "cmd/lines.h"
#include "cmd/writer.h"

#define PAGE 256

static const enum conf_id settings[] = { CONF_STORE, CONF_COUNT };

static const struct cmd_option options[] = {
	{ "feed", "FEED", "only that feed: users/GUID/calendars or users/GUID/recordings and its owner, or a followed "
	  "scope/NAME", false },
	{ 0 },
};

static const char *const about[] = {
	"Prints every user and client, then every live item of every feed, as the JSON Lines that `tidemark import` takes. "
	"Imported into an empty store they make the same users and items.",
	"It works beside a serving process. What is written while the export runs may be in it or not; for one "
	"moment of the whole store export a copy made by `tidemark store backup`.",
	NULL,
};

static const struct cmd_example examples[] = {
	{ "tidemark export | gzip > store.jsonl.gz", "Keep a readable copy" },
	{ 0 },
};

struct export {
	struct cmd_run *run;
	struct store   *store;
	struct guid     tenant;
	struct arena   *arena;           /* reset for each page */
	struct progress progress;
	uint64_t        lines;
};

static int
failed(struct export *export, enum err err)
{
	struct str why;

	progress_close(&export->progress);
	arena_reset(export->arena);
	why = store_why(export->store, export->arena);
	return say_failed(exit_code_of(err), "the store cannot be read: %.*s; the export is not whole",
	                  STR_ARG(why.len ? why : str_from_c(err_text(err))));
}

/* True once standard output has failed: there is no point in going on. */
static bool
turn(struct export *export)
{
	struct out *out = export->run->out;

	out_turn(out);
	export->lines++;
	if (progress_due(&export->progress))
		progress_tell(&export->progress, "%llu lines", (unsigned long long)export->lines);
	return out->failed != 0;
}

static enum err
put_users(struct export *export)
{
	struct user user = { 0 }, next;
	enum err    err = directory_next_user(export->store, &user, export->arena, &next);

	while (err == OK) {
		line_put_user(out_buf(export->run->out), &next, &export->tenant);
		if (turn(export))
			return OK;
		user = (struct user){ .tenant = next.tenant, .id = next.id };
		arena_reset(export->arena);
		err = directory_next_user(export->store, &user, export->arena, &next);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
put_clients(struct export *export)
{
	struct client client = { 0 };
	struct guid   after = { { 0 } };
	enum err      err = client_next(export->store, &after, export->arena, &client);

	while (err == OK) {
		line_put_client(out_buf(export->run->out), &client, &export->tenant);
		if (turn(export))
			return OK;
		after = client.id;
		arena_reset(export->arena);
		err = client_next(export->store, &after, export->arena, &client);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
put_policies(struct export *export)
{
	struct policy after = { .apps = STR_EMPTY }, policy;
	struct str    app;
	enum err      err;

	while ((err = policy_next(export->store, &after, export->arena, &policy)) == OK) {
		bool ours = guid_eq(&policy.tenant, &export->tenant);

		after = policy;
		while (str_take_until(&policy.apps, '\n', &app)) {
			line_put_policy(out_buf(export->run->out), false, &policy.user, ours ? NULL : &policy.tenant, app);
			if (turn(export))
				return OK;
		}
		arena_reset(export->arena);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

/* One page in one short snapshot; *after moves on, *more_out says whether there may be another. */
static enum err
put_page(struct export *export, const struct store_feed *feed, uint64_t *after, bool *more_out)
{
	AUTO(store_scan_abort) struct store_scan *scan = NULL;
	AUTO(arena_close) struct arena *line_arena = arena_open(LINE_ARENA_MAX);
	struct store_range range = { .after = *after, .until = STORE_TO_HEAD, .limit = PAGE, .live_only = true };
	struct item        item;
	unsigned           count = 0;
	bool               stopped = false;

	scan = store_scan_open(export->store, feed, &range, export->arena);
	while (!stopped && count < PAGE && store_scan_next(scan, &item)) {
		arena_reset(line_arena);
		line_put_item(out_buf(export->run->out), feed, &item, line_arena);
		*after = item.seq;
		count++;
		stopped = turn(export);
	}
	*more_out = count == PAGE && !stopped;
	return store_scan_close(&scan);
}

static enum err
put_feed(struct export *export, const struct store_feed *feed)
{
	uint64_t after = 0;
	bool     more = true;

	while (more) {
		arena_reset(export->arena);
		TRY(put_page(export, feed, &after, &more));
	}
	return OK;
}

static enum err
put_feeds(struct export *export)
{
	struct store_feed feed = { 0 }, next;
	struct store_mark mark;
	enum err          err = store_next_feed(export->store, &feed, &next, &mark);

	while (err == OK && export->run->out->failed == 0) {
		feed = next;
		if (mark.live > 0)
			TRY(put_feed(export, &feed));
		err = store_next_feed(export->store, &feed, &next, &mark);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

static int
put_one_feed(struct export *export, struct str name)
{
	struct guid       owner;
	const struct resource *resource;
	struct user       user;
	struct store_feed feed;
	enum err          err;

	if (!feed_name_parse(name, &owner, &resource))
		return cmd_usage(export->run, "--feed: \"%.*s\" is not users/GUID/calendars or users/GUID/recordings",
		                 STR_ARG(name));
	err = directory_find_owner(export->store, &owner, export->arena, &user);
	if (err == ERR_NOT_FOUND)
		return say_failed(EXIT_PERMANENT, "there is no user %.*s; `tidemark user list` shows who is there",
		                  STR_ARG(str_cut(str_skip(name, 6), GUID_TEXT_LEN)));
	if (err != OK)
		return failed(export, err);
	line_put_user(out_buf(export->run->out), &user, &export->tenant);
	feed = (struct store_feed){ user.tenant, owner, resource->number };
	err = put_feed(export, &feed);
	return err == OK ? EXIT_DONE : failed(export, err);
}

static int
export_all(struct export *export)
{
	const char *feed = cmd_value(export->run, "feed");
	enum err    err = directory_tenant(export->store, export->arena, &export->tenant);

	if (err != OK && err != ERR_NOT_FOUND)
		return failed(export, err);
	if (feed)
		return put_one_feed(export, str_from_c(feed));
	err = put_users(export);
	if (err == OK)
		err = put_clients(export);
	if (err == OK)
		err = put_policies(export);
	if (err == OK)
		err = put_feeds(export);
	return err == OK ? EXIT_DONE : failed(export, err);
}

static int
run_export(struct cmd_run *run)
{
	AUTO(arena_close) struct arena *arena = arena_open(PAGE * (STORE_BODY_MAX + ((size_t)64 << 10)));
	struct export export = { .run = run, .arena = arena };
	const char   *feed = cmd_value(run, "feed");
	int           code;

	if (names_a_scope(feed))
		return export_scope(run, feed);
	TRY_CODE(open_for_reading(run, &export.store));
	progress_open(&export.progress, run->clock);
	code = export_all(&export);
	progress_close(&export.progress);
	store_close(&export.store);
	return code;
}

const struct cmd cmd_export = {
	.name = "export",
	.summary = "print users and items as JSON Lines",
	.settings = settings,
	.options = options,
	.about = about,
	.examples = examples,
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED },
	.run = run_export,
};
