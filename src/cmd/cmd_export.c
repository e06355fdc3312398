/* SPDX-License-Identifier: Apache-2.0 */

#include "cmd/cmd.h"

#include "auth/grant.h"
#include "auth/policy.h"
#include "admin/ndjson.h"
#include "admin/walk.h"
#include "admin/writer.h"
#include "sync/following.h"

struct export
{
	struct cmd_run *run;
	struct store   *store;
	struct guid     tenant;
	struct arena   *arena; /* reset for each line */
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
	return console_fail(exit_code_of(err), "the store cannot be read: %.*s; the export is not complete",
	                    STR_ARG(why.len ? why : str_from_c(err_text(err))));
}

/* True if writing to standard output failed: the export ends. */
static bool
write_some(struct export *export)
{
	struct out *out = export->run->out;

	out_flush_some(out);
	export->lines++;
	if (progress_due(&export->progress))
		progress_show(&export->progress, "%llu lines", (unsigned long long)export->lines);
	return out->failed != 0;
}

static enum err
put_users(struct export *export)
{
	struct user user = { 0 }, next;
	enum err    err;

	while ((err = directory_next_user(export->store, &user, export->arena, &next)) == OK) {
		line_put_user(out_buf(export->run->out), &next, &export->tenant);
		if (write_some(export))
			return OK;
		user = (struct user){ .tenant = next.tenant, .id = next.id };
		arena_reset(export->arena);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
put_clients(struct export *export)
{
	struct client client = { 0 };
	struct guid   after = { { 0 } };
	enum err      err;

	while ((err = client_next(export->store, &after, export->arena, &client)) == OK) {
		line_put_client(out_buf(export->run->out), &client, &export->tenant);
		if (write_some(export))
			return OK;
		after = client.id;
		arena_reset(export->arena);
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
			line_put_policy(out_buf(export->run->out), false, &policy.user, ours ? NULL : &policy.tenant,
			                app);
			if (write_some(export))
				return OK;
		}
		arena_reset(export->arena);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
put_grants(struct export *export)
{
	char       last[STORE_KEY_MAX];
	struct str scope = STR_EMPTY, to, one;
	enum err   err;

	while ((err = grant_next(export->store, scope, export->arena, &scope, &to)) == OK) {
		while (str_take_until(&to, '\n', &one)) {
			line_put_grant(out_buf(export->run->out), false, scope, one);
			if (write_some(export))
				return OK;
		}
		memcpy(last, scope.at, scope.len);
		scope.at = last;
		arena_reset(export->arena);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
put_item(void *ctx, const struct store_feed *feed, const struct item *item)
{
	struct export *export = ctx;

	line_put_item(out_buf(export->run->out), feed, item, export->arena);
	arena_reset(export->arena);
	return write_some(export) ? ERR_IO : OK;
}

/* Of all feeds if `feed` is NULL. A failed standard output is reported by the caller. */
static enum err
put_items(struct export *export, const struct store_feed *feed)
{
	enum err err = feed ? walk_feed(export->store, feed, put_item, export)
	                    : walk_feeds(export->store, 0, put_item, export);

	return export->run->out->failed ? OK : err;
}

static int
put_one_feed(struct export *export, struct str name)
{
	struct guid            owner;
	const struct resource *resource;
	struct user            user;
	struct store_feed      feed;
	enum err               err;

	if (!feed_name_parse(name, &owner, &resource))
		return cmd_usage(export->run,
		                 "--feed: \"%.*s\" is not users/GUID/calendars, users/GUID/calendarGroups or "
		                 "users/GUID/recordings",
		                 STR_ARG(name));
	err = directory_find_owner(export->store, &owner, export->arena, &user);
	if (err == ERR_NOT_FOUND)
		return console_fail(EXIT_PERMANENT, "there is no user %.*s; `tidemark user list` shows who is there",
		                    STR_ARG(str_cut(str_skip(name, 6), GUID_TEXT_LEN)));
	if (err != OK)
		return failed(export, err);
	line_put_user(out_buf(export->run->out), &user, &export->tenant);
	feed = (struct store_feed){ user.tenant, owner, resource->number };
	err = put_items(export, &feed);
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
		err = put_grants(export);
	if (err == OK)
		err = put_items(export, NULL);
	return err == OK ? EXIT_DONE : failed(export, err);
}

static int
run_export(struct cmd_run *run)
{
	AUTO(arena_close) struct arena *arena = arena_open(LINE_ARENA_MAX);
	struct export export = { .run = run, .arena = arena };
	const char *feed = cmd_value(run, "feed");
	int         code;

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
	.settings = conf_store_only,
	.options = OPTIONS({ "feed", "FEED",
	                     "only this feed and its owner: users/GUID/calendars, users/GUID/calendarGroups, "
	                     "users/GUID/recordings, or a followed scope/NAME",
	                     false }),
	.about = ABOUT(
		"Prints every user and client, then every live item of every feed, as JSON Lines for `tidemark "
		"import`. Items come in the order of their creation. Import them into an empty store to get the same "
		"users and items in the same order.",
		"The command works beside a serving process. The export may or may not contain changes that are made "
		"while it runs. To export the store as it is at one moment, export a copy made by `tidemark store "
		"backup`."),
	.examples = EXAMPLES({ "tidemark export | gzip > store.jsonl.gz", "Keep a readable copy" }),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED },
	.run = run_export,
};
