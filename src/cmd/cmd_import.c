/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file is read twice. The first pass checks every line. If all are good, or with --skip-bad, the second pass stores
 * them, one transaction per batch. Input that cannot be read twice is checked and stored batch by batch.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/check.h"
#include "admin/import_content.h"
#include "admin/line_reader.h"
#include "admin/writer.h"
#include "text/json_write.h"

#define BAD_SHOWN 20

struct batch {
	struct buf text;
	uint32_t   ends[APPLY_LINES_MAX];    /* the end of each line in text */
	uint64_t   numbers[APPLY_LINES_MAX]; /* the number of each line in the input */
	size_t     count;
};

struct import {
	struct cmd_run       *run;
	struct writer         writer;
	struct check         *check;
	struct import_content files; /* the files that lines name */
	struct buf            line;  /* replaces a line that names a file */
	struct line_reader    reader;
	struct batch         *batch;
	const char           *name;
	bool                  skip_bad;
	FILE                 *bad_list; /* numbers of the bad lines of a file, ascending */
	uint64_t              next_bad; /* the next of them while storing; 0: no more */
	uint64_t              bad, lines;
	uint64_t              stored_to; /* every line up to this one is stored or skipped */
	struct line_counts    counts;
	struct progress       progress;
};

/* ---- complaints --------------------------------------------------------------------------------------- */

static void
report_bad(struct import *import, uint64_t line, struct str why)
{
	import->bad++;
	if (import->bad <= BAD_SHOWN) {
		progress_close(&import->progress);
		console_say("%s:%llu: %.*s", import->name, (unsigned long long)line, STR_ARG(why));
	}
}

static void
report_how_many_bad(const struct import *import)
{
	if (import->bad > BAD_SHOWN)
		console_say("%s: %llu more lines are bad", import->name, (unsigned long long)(import->bad - BAD_SHOWN));
}

static int
report_stopped(const struct import *import, enum exit_code code, const char *what)
{
	bool unsure = code == EXIT_AGAIN; /* the server does not answer, but it may have stored the batch */

	report_how_many_bad(import);
	if (import->stored_to == 0)
		return console_fail(code, "%s: %s; %s", import->name, what,
		                    unsure ? "whether anything was stored is not known; the file can be given again"
		                           : "nothing was stored");
	return console_fail(code, "%s: %s; everything up to line %llu is stored, %s", import->name, what,
	                    (unsigned long long)import->stored_to,
	                    unsure ? "perhaps some lines after it; the file can be given again" : "nothing after it");
}

static int
report_bad_input(const struct import *import)
{
	return report_stopped(import, EXIT_PERMANENT,
	                      import->bad == 1 ? "correct the line, or give --skip-bad"
	                                       : "correct the lines, or give --skip-bad");
}

static void
show(struct import *import, const char *doing)
{
	int64_t ms = progress_elapsed_ms(&import->progress);

	if (progress_due(&import->progress))
		progress_show(&import->progress, "%s line %llu, %llu lines/s", doing,
		              (unsigned long long)import->reader.line,
		              (unsigned long long)(import->lines * 1000 / (uint64_t)(ms > 0 ? ms : 1)));
}

/* ---- checking ------------------------------------------------------------------------------------------- */

/* Sets *good_out. EXIT_DONE also for a bad line. */
static int
check_one(struct import *import, struct str text, bool too_long, bool *good_out)
{
	struct str why = STR("the line is longer than 1 MiB");
	enum err   err = too_long ? ERR_BAD_REQUEST : check_line(import->check, text, &why);

	if (err == OK && import_content_names(text))
		err = import_content_check(&import->files, text, &why);
	*good_out = err == OK;
	if (err == ERR_BAD_REQUEST) {
		report_bad(import, import->reader.line, why);
		return EXIT_DONE;
	}
	if (err != OK)
		return report_stopped(import, exit_code_of(err), err_text(err));
	return EXIT_DONE;
}

static int
check_file(struct import *import)
{
	struct str text;
	bool       too_long, good;

	while (line_reader_next(&import->reader, &text, &too_long)) {
		import->lines++;
		show(import, "checking");
		if (line_is_blank(text) && !too_long)
			continue;
		TRY_CODE(check_one(import, text, too_long, &good));
		if (!good && fwrite(&import->reader.line, sizeof(import->reader.line), 1, import->bad_list) != 1)
			return console_fail(EXIT_OTHER, "a temporary file cannot be written: %s",
			                    strerrordesc_np(errno));
	}
	if (import->reader.failed)
		return report_stopped(import, EXIT_OTHER, strerrordesc_np(import->reader.failed));
	if (import->bad > 0 && !import->skip_bad)
		return report_bad_input(import);
	return EXIT_DONE;
}

static bool
was_bad(struct import *import)
{
	if (import->next_bad != import->reader.line)
		return false;
	if (fread(&import->next_bad, sizeof(import->next_bad), 1, import->bad_list) != 1)
		import->next_bad = 0;
	return true;
}

/* ---- storing --------------------------------------------------------------------------------------------- */

static void
batch_add(struct batch *batch, struct str text, uint64_t number)
{
	buf_put(&batch->text, text);
	buf_put_char(&batch->text, '\n');
	MUST(buf_err(&batch->text) == OK);
	batch->numbers[batch->count] = number;
	batch->ends[batch->count++] = (uint32_t)batch->text.len;
}

/* Copies the file that the line names first, so that every stored line has its content. */
static int
add_line(struct import *import, struct str text)
{
	struct str why = STR_EMPTY;
	enum err   err;

	if (!import_content_names(text)) {
		batch_add(import->batch, text, import->reader.line);
		return EXIT_DONE;
	}
	buf_cut(&import->line, 0);
	err = import_content_bring(&import->files, text, &import->line, &why);
	if (err == OK) {
		MUST(buf_err(&import->line) == OK);
		batch_add(import->batch, str_first(buf_str(&import->line), import->line.len - 1), import->reader.line);
		return EXIT_DONE;
	}
	if (err != ERR_BAD_REQUEST)
		return report_stopped(import, exit_code_of(err), err_text(err));
	report_bad(import, import->reader.line, why);
	return import->skip_bad ? EXIT_DONE : report_bad_input(import);
}

static void
batch_drop(struct batch *batch, size_t index)
{
	uint32_t start = index ? batch->ends[index - 1] : 0, len = batch->ends[index] - start;

	memmove(batch->text.at + start, batch->text.at + batch->ends[index], batch->text.len - batch->ends[index]);
	buf_cut(&batch->text, batch->text.len - len);
	for (size_t i = index; i + 1 < batch->count; i++) {
		batch->ends[i] = batch->ends[i + 1] - len;
		batch->numbers[i] = batch->numbers[i + 1];
	}
	batch->count--;
}

static int
store_batch(struct import *import)
{
	struct batch       *batch = import->batch;
	struct apply_result result;
	enum err            err = OK;

	while (batch->count > 0) {
		err = writer_apply(&import->writer, buf_str(&batch->text), &result);
		if (err == OK || result.bad_line == 0 || result.bad_line > batch->count)
			break;
		report_bad(import, batch->numbers[result.bad_line - 1], str_from_c(result.why));
		if (!import->skip_bad)
			return report_bad_input(import);
		batch_drop(batch, (size_t)result.bad_line - 1);
	}
	if (err == ERR_UNSURE)
		return report_stopped(import, EXIT_AGAIN,
		                      "whether the last batch was stored is not known, give the input again");
	if (err != OK)
		return report_stopped(import, exit_code_of(err), result.why);
	if (batch->count > 0) {
		import->counts.users += result.counts.users;
		import->counts.stored += result.counts.stored;
		import->counts.removed += result.counts.removed;
		import->counts.absent += result.counts.absent;
	}
	import_content_release(&import->files);
	import->stored_to = import->reader.line;
	batch->count = 0;
	buf_cut(&batch->text, 0);
	return EXIT_DONE;
}

/* `twice`: this is the second pass. */
static int
store_all(struct import *import, bool twice)
{
	struct batch *batch = import->batch;
	struct str    text;
	bool          too_long, good = true;
	int           code = EXIT_DONE;

	import->lines = 0;
	while (line_reader_next(&import->reader, &text, &too_long)) {
		import->lines++;
		show(import, "storing");
		if (twice)
			good = !was_bad(import);
		if (line_is_blank(text) && !too_long)
			continue;
		if (!twice)
			code = check_one(import, text, too_long, &good);
		if (code == EXIT_DONE && !good && !import->skip_bad)
			code = report_bad_input(import);
		if (code == EXIT_DONE && good) {
			code = add_line(import, text);
			if (code == EXIT_DONE &&
			    (batch->count == APPLY_LINES_MAX || import->files.held_count == IMPORT_HELD_MAX ||
			     batch->text.len >= import->writer.batch_bytes_max))
				code = store_batch(import);
		}
		if (code != EXIT_DONE)
			return code;
	}
	if (import->reader.failed)
		return report_stopped(import, EXIT_OTHER, strerrordesc_np(import->reader.failed));
	return store_batch(import);
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

static int
finish(struct import *import)
{
	struct line_counts *counts = &import->counts;
	struct json_out     json;

	if (cmd_has(import->run, "json")) {
		json = json_out_object(out_buf(import->run->out));
		json_put_member_int(&json, STR("lines"), (int64_t)import->lines);
		json_put_member_int(&json, STR("users"), (int64_t)counts->users);
		json_put_member_int(&json, STR("stored"), (int64_t)counts->stored);
		json_put_member_int(&json, STR("removed"), (int64_t)counts->removed);
		json_put_member_int(&json, STR("absent"), (int64_t)counts->absent);
		json_put_member_int(&json, STR("bad"), (int64_t)import->bad);
		out_end_object(import->run->out, &json);
	}
	if (import->progress.on)
		console_plain("%llu lines: %llu users, %llu items stored, %llu removed",
		              (unsigned long long)import->lines, (unsigned long long)counts->users,
		              (unsigned long long)counts->stored, (unsigned long long)counts->removed);
	if (import->bad == 0)
		return EXIT_DONE;
	report_how_many_bad(import);
	return console_fail(EXIT_EXCEPTIONS, "%s: everything is stored but %llu bad line%s", import->name,
	                    (unsigned long long)import->bad, import->bad == 1 ? "" : "s");
}

static int
run_both_ways(struct import *import)
{
	bool twice = line_reader_rewind(&import->reader);
	int  code;

	if (twice)
		TRY_CODE(check_file(import));
	if (twice && !line_reader_rewind(&import->reader))
		return console_fail(EXIT_OTHER, "%s: cannot be read a second time: %s", import->name,
		                    strerrordesc_np(errno));
	rewind(import->bad_list);
	if (fread(&import->next_bad, sizeof(import->next_bad), 1, import->bad_list) != 1)
		import->next_bad = 0;
	code = store_all(import, twice);
	progress_close(&import->progress);
	return code == EXIT_DONE ? finish(import) : code;
}

static int
open_and_run(struct import *import, bool is_named)
{
	struct cmd_run *run = import->run;
	char            why[512];
	enum err        err;

	TRY_CODE(writer_open(run, true, &import->writer));
	TRY_CODE(import_content_open(run, import->writer.store, is_named ? import->name : NULL, &import->files));
	err = check_open(import->writer.store, run->clock, run->entropy, &import->check, why);
	return err == OK ? run_both_ways(import) : console_fail(exit_code_of(err), "%s", why);
}

static void
close_input(struct import *import)
{
	line_reader_close(&import->reader);
	if (import->reader.fd != STDIN_FILENO)
		(void)close(import->reader.fd);
}

/* Opens the input and the list of bad lines. */
static int
open_input(struct import *import, bool is_stdin)
{
	int         fd = is_stdin ? STDIN_FILENO : open(import->name, O_RDONLY | O_CLOEXEC);
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat) != 0)
		return console_fail(EXIT_PERMANENT, "%s: %s", import->name, strerrordesc_np(errno));
	line_reader_open(&import->reader, fd, LINE_BYTES_MAX);
	import->bad_list = S_ISDIR(stat.st_mode) ? NULL : tmpfile();
	if (import->bad_list)
		return EXIT_DONE;
	close_input(import);
	if (S_ISDIR(stat.st_mode))
		return console_fail(EXIT_PERMANENT, "%s: is a directory", import->name);
	return console_fail(EXIT_OTHER, "a temporary file cannot be made: %s", strerrordesc_np(errno));
}

static int
run_import(struct cmd_run *run)
{
	struct import import = { .run = run, .skip_bad = cmd_has(run, "skip-bad") };
	bool          is_stdin = run->arg_count == 0 || strcmp(run->args[0], "-") == 0;
	int           code;

	import.name = is_stdin ? "standard input" : run->args[0];
	TRY_CODE(open_input(&import, is_stdin));
	import.batch = handle_new(sizeof(*import.batch));
	buf_open(&import.batch->text, (size_t)16 << 20);
	buf_open(&import.line, 2 * LINE_BYTES_MAX);
	progress_open(&import.progress, run->clock);
	import.files.dir = import.writer.sock.folder = -1;
	code = open_and_run(&import, !is_stdin);
	check_close(&import.check);
	import_content_close(&import.files);
	writer_close(&import.writer);
	progress_close(&import.progress);
	buf_close(&import.line);
	buf_close(&import.batch->text);
	free(import.batch);
	fclose(import.bad_list);
	close_input(&import);
	return code;
}

const struct cmd cmd_import = {
	.name = "import",
	.summary = "take users and items in from JSON Lines",
	.args = "[FILE|-]",
	.settings = SETTINGS(CONF_STORE, CONF_MAX_CONTENT, CONF_MIN_FREE),
	.options = OPTIONS(
		{ "content-root", "DIR", "the folder of the content files (default: that of FILE, or the current one)",
	          false },
		{ "skip-bad", NULL, "skip bad lines, store the rest, and exit with 8", false },
		{ "json", NULL, "one JSON object at the end: lines, users, stored, removed, absent, bad", false }),
	.about = ABOUT(
		"Reads JSON Lines, one operation per line, of at most 1 MiB: {\"op\":\"user\",\"value\":{...}} "
		"stores a user, {\"op\":\"put\",\"feed\":\"users/GUID/calendars\",\"value\":{...}} stores an item "
		"(also of users/GUID/calendarGroups and users/GUID/recordings), "
		"{\"op\":\"remove\",\"feed\":...,\"id\":...} removes an item, {\"op\":\"remove-user\",\"id\":...} "
		"removes a user and all items of the user. Without FILE, or with -, the command reads standard input.",
		"A file is checked as a whole before any line is stored. If a line is bad, the command prints file, "
		"line and reason, and stores nothing. Standard input is checked and stored in batches of at most "
		"10,000 lines. If a line is bad, the message names the last line that was stored.",
		"The put of a recording may name a \"contentFile\". The command copies that file to PATH.content, "
		"the folder of content; it becomes the content of the recording. The file must be in the folder of "
		"FILE, in the current folder for standard input, or in --content-root. Links that lead out of that "
		"folder are not followed.",
		"{\"op\":\"policy\",\"value\":{\"app\":...,\"user\":GUID}} lets an application access a user's "
		"meetings; \"global\":true instead of a user means all users. {\"op\":\"remove-policy\",...} with "
		"the same value undoes it.",
		"{\"op\":\"client\",\"value\":{...}} stores a client of the store's own issuer with the hash of its "
		"secret, as `tidemark export` writes it. {\"op\":\"remove-client\",\"id\":...} removes one.",
		"You may import a file again: an item with an id replaces itself. If a server holds the store, the "
		"command sends the lines to it over its control socket."),
	.examples = EXAMPLES(
		{ "tidemark import users.jsonl", "Import a file" },
		{ "tidemark export --store sqlite:old.db | tidemark import --store sqlite:new.db", "Copy a store" }),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_EXCEPTIONS, EXIT_LOCKED },
	.run = run_import,
};
