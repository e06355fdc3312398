/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <stdio.h>
#include <unistd.h>

#include "admin/walk.h"
#include "admin/writer.h"
#include "base/bytes.h"
#include "base/file.h"
#include "text/json_write.h"

/* ---- check ------------------------------------------------------------------------------------------------ */

struct faults {
	struct cmd_run *run;
	struct json_out json;
	bool            as_json;
	uint64_t        count;
};

static void
on_fault(void *ctx, struct str sentence)
{
	struct faults *faults = ctx;

	faults->count++;
	if (faults->as_json)
		json_put_text(&faults->json, sentence);
	else
		out_printf(faults->run->out, "%.*s\n", STR_ARG(str_cut(sentence, 1024)));
	out_flush_some(faults->run->out);
}

/* ---- the recordings' content -------------------------------------------------------------------------- */

struct content_check {
	struct faults  *faults;
	struct content *content;
	bool            whole; /* hash every byte */
	enum err        err;
};

static void
check_one_content(void *ctx, const struct store_feed *feed, struct str id, const struct content_ref *ref)
{
	struct content_check *check = ctx;
	char                  name[CONTENT_NAME_LEN], sentence[512];
	enum err              err;
	int                   fd = -1, len;

	err = check->whole ? content_verify(check->content, ref) : content_read(check->content, ref, &fd);
	file_close(&fd);
	if (err != ERR_NOT_FOUND && err != ERR_CORRUPT) {
		check->err = err == OK ? check->err : err;
		return;
	}
	hex_write(ref->id, CONTENT_ID_BYTES, name);
	len = snprintf(sentence, sizeof(sentence), "recording %.*s of user %s: its content, the file %.*s, is %s",
	               STR_ARG(str_cut(id, 200)), guid_str(&feed->owner).c, CONTENT_NAME_LEN, name,
	               err == ERR_NOT_FOUND ? "missing" : "damaged");
	on_fault(check->faults, str_of(sentence, (size_t)len));
}

static enum err
check_content(struct faults *faults, struct store *store, struct content *content, struct content_swept *swept_out)
{
	struct content_check check = { faults, content, cmd_has(faults->run, "content"), OK };
	struct content_refs  refs;
	struct content_sweep sweep = { .keep = true, .needed = content_refs_has, .ctx = &refs };
	int held = content_keep_all(content); /* otherwise content that is replaced meanwhile would count as missing */
	enum err err = content_refs_open(store, check_one_content, &check, &refs);

	if (err == OK)
		err = check.err;
	if (err == OK)
		err = content_sweep(content, &sweep, swept_out);
	content_refs_close(&refs);
	if (held >= 0)
		(void)close(held);
	return err;
}

static int
end_check(struct cmd_run *run, struct faults *faults, struct store *store, enum err err)
{
	if (err == OK && faults->count == 0) {
		if (!faults->as_json)
			out_put(run->out, STR("ok\n"));
		return EXIT_DONE;
	}
	if (err == OK || err == ERR_CORRUPT)
		return console_fail(EXIT_DAMAGED,
		                    "the store is damaged; `tidemark store restore` puts a backup in its place");
	return console_fail(exit_code_of(err), "the check could not be finished: %.*s",
	                    STR_ARG(store_why(store, run->arena)));
}

static int
run_store_check(struct cmd_run *run)
{
	AUTO(store_close) struct store     *store = NULL;
	AUTO(content_close) struct content *content = NULL;
	struct content_swept                swept = { 0 };
	struct faults                       faults = { .run = run, .as_json = cmd_has(run, "json") };
	enum err                            err;

	TRY_CODE(open_for_reading(run, &store));
	TRY_CODE(content_dir_open(run, false, &content));
	if (faults.as_json) {
		faults.json = json_out_object(out_buf(run->out));
		json_put_name(&faults.json, STR("faults"));
		json_put_array(&faults.json);
	}
	err = store_check(store, on_fault, &faults);
	if (err == OK)
		err = check_bodies(store, on_fault, &faults);
	if (err == OK && content)
		err = check_content(&faults, store, content, &swept);
	if (faults.as_json) {
		json_end_array(&faults.json);
		json_put_member_bool(&faults.json, STR("ok"), err == OK && faults.count == 0);
		json_put_member_int(&faults.json, STR("orphans"), (int64_t)swept.orphans);
		out_end_object(run->out, &faults.json);
	}
	if (swept.orphans > 0)
		console_plain("%llu files that no recording refers to, %llu bytes; `tidemark store gc` removes them",
		              (unsigned long long)swept.orphans, (unsigned long long)swept.orphan_bytes);
	return end_check(run, &faults, store, err);
}

const struct cmd cmd_store_check = {
	.name = "store check",
	.summary = "check a store's integrity",
	.settings = conf_store_only,
	.options = OPTIONS({ "content", NULL,
	                     "also read the content of every recording and compare its hash; this is slow", false },
	                   { "json", NULL,
	                     "one JSON object: ok, faults (a list of sentences), orphans (a number of files)", false }),
	.about = ABOUT(
		"Checks the whole store. First it runs the integrity check of the engine, then it checks what "
		"Tidemark relies on: the order of changes, counts, indexes. It prints one line per fault, or ok.",
		"Then it checks the recordings. Each recording with content must have its file in PATH.content, with "
		"the right length (with --content, with the right bytes). Files that no recording refers to do no "
		"harm. They are counted, and `tidemark store gc` removes them.",
		"The command only reads the store. The store may be in use, or may have just been killed."),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED },
	.run = run_store_check,
};

/* ---- info --------------------------------------------------------------------------------------------------- */

static void
put_info(struct cmd_run *run, const struct store_info *info)
{
	const struct {
		const char *name;
		uint64_t    value;
	} rows[] = {
		{ "schema", info->schema },        { "epoch", info->epoch },           { "feeds", info->feeds },
		{ "items", info->items },          { "tombstones", info->tombstones }, { "notes", info->kv },
		{ "fileBytes", info->file_bytes }, { "walBytes", info->wal_bytes },
	};
	struct json_out json;

	if (!cmd_has(run, "json")) {
		out_printf(run->out, "%-12s  %.*s\n%-12s  %s\n", "engine", STR_ARG(info->engine), "id",
		           guid_str(&info->id).c);
		for (size_t i = 0; i < COUNT_OF(rows); i++)
			out_printf(run->out, "%-12s  %llu\n", rows[i].name, (unsigned long long)rows[i].value);
		return;
	}
	json = json_out_object(out_buf(run->out));
	json_put_member(&json, STR("engine"), info->engine);
	json_put_member_guid(&json, STR("id"), &info->id);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		json_put_member_int(&json, str_from_c(rows[i].name), (int64_t)rows[i].value);
	out_end_object(run->out, &json);
}

static int
run_store_info(struct cmd_run *run)
{
	AUTO(store_close) struct store *store = NULL;
	struct store_info               info;
	enum err                        err;

	TRY_CODE(open_for_reading(run, &store));
	err = store_get_info(store, &info);
	if (err != OK)
		return console_fail(exit_code_of(err), "the store cannot be read: %.*s",
		                    STR_ARG(store_why(store, run->arena)));
	put_info(run, &info);
	return EXIT_DONE;
}

const struct cmd cmd_store_info = {
	.name = "store info",
	.summary = "print figures of a store",
	.settings = conf_store_only,
	.options = OPTIONS({ "json", NULL, "one JSON object with the same figures", false }),
	.about = ABOUT("Prints figures of a store: engine, id, schema, epoch, feeds, items, tombstones, kv entries (as "
	               "`notes`), and the sizes of its files. It works beside a serving process."),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED },
	.run = run_store_info,
};

/* ---- backup -------------------------------------------------------------------------------------------------- */

static int
run_store_backup(struct cmd_run *run)
{
	AUTO(store_close) struct store *store = NULL;
	char                            why[512] = "";
	enum err                        err;

	TRY_CODE(open_for_reading(run, &store));
	err = store_backup(store, run->args[0], why);
	if (err == OK)
		return EXIT_DONE;
	if (!why[0])
		str_printf(why, sizeof(why), "%s", err_text(err));
	return strstr(why, run->args[0]) ? console_fail(exit_code_of(err), "%s", why)
	                                 : console_fail(exit_code_of(err), "%s: %s", run->args[0], why);
}

const struct cmd cmd_store_backup = {
	.name = "store backup",
	.summary = "copy a store while it runs",
	.args = "FILE",
	.settings = conf_store_only,
	.about = ABOUT(
		"Copies the store, as it is at one moment, to FILE. Writers need not stop. FILE appears when it is "
		"complete and durable."),
	.examples = EXAMPLES({ "tidemark store backup /var/backups/tidemark.db", "Keep a copy" }),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED },
	.run = run_store_backup,
};

/* ---- restore ------------------------------------------------------------------------------------------------- */

static int
run_store_restore(struct cmd_run *run)
{
	struct store_conf conf = { .url = conf_store_url(&run->conf),
		                   .access = STORE_SERVE,
		                   .create = true,
		                   .clock = run->clock,
		                   .entropy = run->entropy };
	char              why[512] = "";
	enum err          err = store_restore(&conf, run->args[0], why);

	if (err == OK)
		return EXIT_DONE;
	if (err == ERR_LOCKED)
		return console_fail(EXIT_LOCKED, "%s; stop that process first", why[0] ? why : err_text(err));
	return console_fail(exit_code_of(err), "%s", why[0] ? why : err_text(err));
}

const struct cmd cmd_store_restore = {
	.name = "store restore",
	.summary = "put a copy back",
	.args = "FILE",
	.settings = conf_store_only,
	.about = ABOUT(
		"Replaces the store by the copy FILE. No process may have the store open. The command also raises "
		"the store's epoch: readers that have seen changes which the copy does not have must start again; "
		"the others go on."),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED },
	.run = run_store_restore,
};
