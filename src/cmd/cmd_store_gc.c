/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "admin/walk.h"
#include "admin/gc.h"
#include "admin/writer.h"
#include "fetch/control_client.h"
#include "text/date.h"
#include "text/json_read.h"
#include "text/json_write.h"

#define STEP           20000
#define CALL_ARENA_MAX ((size_t)8 << 20)
/* Beside a serving process a file may be linked after the references are read. Such a file is young. */
#define YOUNG_S 3600

/* Asks the process that holds the store for one step. */
static int
step_remote(struct writer *writer, int64_t retention_s, struct gc *gc, struct str *after, struct arena *arena)
{
	AUTO(arena_close) struct arena *call_arena = arena_open(CALL_ARENA_MAX);
	AUTO(json_drop) struct json    *root = NULL;
	struct control_call             call = { .post = true };
	struct control_response         response;
	struct str                      why = STR("the serving process does not answer"), next = STR_EMPTY;
	int64_t                         purged = 0, feeds = 0;
	enum err                        err;

	call.target = arena_printf(call_arena, "/-/gc?retention=%lld%s%s%.*s", (long long)retention_s,
	                           gc->dry_run ? "&dry-run=1" : "", after->len ? "&after=" : "", STR_ARG(*after));
	err = control_call(writer->sock.path, &call, call_arena, &response);
	if (err == OK)
		err = json_read(response.body, call_arena, &root, NULL);
	(void)json_text(json_member(json_member(root, "error"), "message"), &why);
	if (err != OK || response.status != 200)
		return console_fail(EXIT_AGAIN, "%.*s; what was purged so far stays so", STR_ARG(why));
	(void)json_int(json_member(root, "purged"), &purged);
	(void)json_int(json_member(root, "feeds"), &feeds);
	(void)json_bool(json_member(root, "done"), &gc->done);
	(void)json_text(json_member(root, "after"), &next);
	gc->purged += (uint64_t)purged;
	gc->feeds += (uint64_t)feeds;
	*after = arena_copy(arena, next);
	return EXIT_DONE;
}

static int
step_local(struct gc *gc)
{
	enum err err = gc_step(gc, STEP);

	return err == OK ? EXIT_DONE
	                 : console_fail(exit_code_of(err), "%s; what was purged so far stays so", err_text(err));
}

static int
collect(struct cmd_run *run, struct writer *writer, struct gc *gc)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)1 << 20);
	struct progress                 progress;
	struct str                      after = STR_EMPTY;
	int64_t                         retention_s = 0;
	char                            kept[128];
	int                             code = EXIT_DONE;

	MUST(date_parse_duration(conf_get(&run->conf, CONF_RETENTION), &retention_s));
	gc->until_ms = clock_wall_ms(run->clock) - retention_s * 1000;
	progress_open(&progress, run->clock);
	while (code == EXIT_DONE && !gc->done) {
		code = writer->remote ? step_remote(writer, retention_s, gc, &after, arena) : step_local(gc);
		/* Only the cursor lives longer than a step. */
		if (after.len < sizeof(kept)) {
			memcpy(kept, after.at, after.len);
			after = str_of(kept, after.len);
			arena_reset(arena);
		}
		if (progress_due(&progress))
			progress_show(&progress, "%llu feeds, %llu removals forgotten", (unsigned long long)gc->feeds,
			              (unsigned long long)gc->purged);
	}
	progress_close(&progress);
	return code;
}

static int
sweep(struct cmd_run *run, const struct writer *writer, bool dry_run, struct content_swept *swept_out)
{
	AUTO(content_close) struct content *content = NULL;
	struct content_refs                 refs = { 0 };
	struct content_sweep                job = { .keep = dry_run, .needed = content_refs_has, .ctx = &refs };
	enum err                            err;

	TRY_CODE(content_dir_open(run, false, &content));
	if (!content)
		return EXIT_DONE;
	job.now_s = clock_wall_s(run->clock);
	job.older_than_s = writer->remote ? YOUNG_S : 0;
	err = content_refs_open(writer->store, NULL, NULL, &refs);
	if (err == OK)
		err = content_sweep(content, &job, swept_out);
	content_refs_close(&refs);
	return err == OK
	               ? EXIT_DONE
	               : console_fail(exit_code_of(err), "the folder of recordings cannot be swept: %s", err_text(err));
}

static void
put_figures(struct cmd_run *run, const struct gc *gc, const struct content_swept *swept)
{
	struct json_out json;

	if (!cmd_has(run, "json")) {
		out_printf(run->out, "%llu feeds looked at, %llu removals %s\n", (unsigned long long)gc->feeds,
		           (unsigned long long)gc->purged, gc->dry_run ? "would be forgotten" : "forgotten");
		if (swept->files > 0)
			out_printf(run->out, "%llu files of recordings looked at, %llu orphans (%llu bytes) %s\n",
			           (unsigned long long)swept->files, (unsigned long long)swept->orphans,
			           (unsigned long long)swept->orphan_bytes,
			           gc->dry_run ? "would be removed" : "removed");
		return;
	}
	json = json_out_object(out_buf(run->out));
	json_put_member_int(&json, STR("feeds"), (int64_t)gc->feeds);
	json_put_member_int(&json, STR("purged"), (int64_t)gc->purged);
	json_put_member_int(&json, STR("orphans"), (int64_t)swept->orphans);
	json_put_member_int(&json, STR("orphanBytes"), (int64_t)swept->orphan_bytes);
	json_put_member_bool(&json, STR("dryRun"), gc->dry_run);
	out_end_object(run->out, &json);
}

static int
run_store_gc(struct cmd_run *run)
{
	AUTO(writer_close) struct writer writer = { .sock = { NULL, -1 } };
	struct content_swept             swept = { 0 };
	struct gc                        gc = { .clock = run->clock, .dry_run = cmd_has(run, "dry-run") };

	/* Counting needs no writer, so it never waits for one. */
	TRY_CODE(gc.dry_run ? open_for_reading(run, &writer.store) : writer_open(run, false, &writer));
	gc.store = writer.store;
	TRY_CODE(collect(run, &writer, &gc));
	TRY_CODE(sweep(run, &writer, gc.dry_run, &swept));
	put_figures(run, &gc, &swept);
	return EXIT_DONE;
}

const struct cmd cmd_store_gc = {
	.name = "store gc",
	.summary = "purge tombstones older than the retention",
	.settings = SETTINGS(CONF_STORE, CONF_RETENTION),
	.options = OPTIONS({ "dry-run", NULL, "count what would be removed; change nothing", false },
	                   { "json", NULL, "one JSON object: feeds, purged, orphans, orphanBytes, dryRun", false }),
	.about = ABOUT(
		"Purges tombstones that are older than the retention. A reader that was away longer must start "
		"again, so choose the retention long enough. The command works in small steps. If a serving process "
		"holds the store, that process does the work.",
		"It also deletes idempotency keys that are older than a day.",
		"Then it removes content files that no recording refers to. They come from broken uploads, removed "
		"recordings and replaced imports. Beside a serving process, files younger than an hour stay. Files "
		"of running uploads and imports stay, too. While another program holds a lock on the folder (flock, "
		"to copy it), the command exits with 12."),
	.examples = EXAMPLES({ "tidemark store gc --retention 60d --dry-run", "How much would be removed" }),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED },
	.run = run_store_gc,
};
