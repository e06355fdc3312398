/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/writer.h"

#include <time.h>
#include <unistd.h>

#include "admin/sock_path.h"
#include "crypt/seal.h"
#include "fetch/control_client.h"
#include "resource/resource.h"
#include "text/json_read.h"

#define LOCAL_BATCH_MAX  ((size_t)8 << 20)
#define REMOTE_BATCH_MAX ((size_t)1 << 20)
#define CALL_ARENA_MAX   ((size_t)16 << 20)
#define TRIES            6

/* ---- opening ------------------------------------------------------------------------------------------ */

static int
report_open(struct cmd_run *run, enum err err, const char *why)
{
	struct str url = conf_get(&run->conf, CONF_STORE);

	if (err == ERR_NOT_FOUND)
		return console_fail(EXIT_PERMANENT,
		                    "%.*s: there is no such store; `tidemark serve` or `tidemark import` makes one",
		                    STR_ARG(url));
	if (err == ERR_LOCKED)
		return console_fail(EXIT_LOCKED, "%s; stop that process, or let it do the work over its control socket",
		                    why);
	if (err == ERR_CORRUPT)
		return console_fail(EXIT_DAMAGED, "the store is damaged: %s; %srestore` restores a backup", why,
		                    strcmp(run->cmd->name, "store check") == 0
		                            ? "`tidemark store "
		                            : "`tidemark store check` shows details, `store ");
	if (err == ERR_BAD_REQUEST)
		return cmd_usage(run, "%s", why);
	return console_fail(exit_code_of(err), "%s", why[0] ? why : err_text(err));
}

int
store_read_code(enum err err)
{
	if (err == OK || err == ERR_NOT_FOUND)
		return EXIT_DONE;
	return console_fail(exit_code_of(err), "the store cannot be read: %s", err_text(err));
}

static int
open_to_look(struct cmd_run *run, struct store **store_out)
{
	struct store_conf conf = {
		.url = conf_store_url(&run->conf), .access = STORE_LOOK, .clock = run->clock, .entropy = run->entropy
	};
	char     why[512] = "";
	enum err err = crypt_init();

	if (err == OK)
		err = store_open(&conf, store_out, why);
	return err == OK ? EXIT_DONE : report_open(run, err, why);
}

static bool
is_in_memory(const struct cmd_run *run)
{
	return str_eq(conf_get(&run->conf, CONF_STORE), STR("memory:"));
}

int
open_for_reading(struct cmd_run *run, struct store **store_out)
{
	struct sock_path sock = { NULL, -1 };
	int              code = is_in_memory(run) ? memory_socket_find(run, &sock) : EXIT_DONE;

	sock_path_close(&sock);
	return code == EXIT_DONE ? open_to_look(run, store_out) : code;
}

int
open_for_writing(struct cmd_run *run, const struct store_opening *opening, struct store **store_out)
{
	struct store_conf conf = { .url = conf_store_url(&run->conf),
		                   .access = STORE_SERVE,
		                   .create = opening->create,
		                   .scratch = opening->scratch,
		                   .views = resource_views(run->arena),
		                   .clock = run->clock,
		                   .entropy = run->entropy,
		                   .log = opening->log };
	char              why[512] = "";
	enum err          err = crypt_init();

	if (err == OK)
		err = store_open(&conf, store_out, why);
	if (err == ERR_LOCKED && opening->quiet_if_locked)
		return EXIT_LOCKED;
	if (err != OK)
		return report_open(run, err, why);
	err = directory_ensure(*store_out, run->entropy, run->clock);
	if (err == OK)
		return EXIT_DONE;
	store_close(store_out);
	return console_fail(exit_code_of(err), "%.*s: %s", STR_ARG(conf_get(&run->conf, CONF_STORE)), err_text(err));
}

static int
be_remote(struct cmd_run *run, struct writer *writer)
{
	writer->remote = true;
	writer->batch_bytes_max = REMOTE_BATCH_MAX;
	return open_to_look(run, &writer->store);
}

/* Does the process that holds the store answer on its control socket? */
static bool
holder_answers(const char *path)
{
	AUTO(arena_close) struct arena *arena = arena_open(CALL_ARENA_MAX);
	struct control_call             call = { .target = STR("/-/ready") };
	struct control_response         response;

	return control_call(path, &call, arena, &response) == OK && response.status == 200;
}

int
writer_open(struct cmd_run *run, bool create, struct writer *writer_out)
{
	struct store_opening opening = { .create = create, .quiet_if_locked = true };
	struct str           url = conf_get(&run->conf, CONF_STORE);
	int                  code;

	*writer_out =
		(struct writer){ .sock = { NULL, -1 }, .batch_bytes_max = LOCAL_BATCH_MAX, .entropy = run->entropy };
	if (is_in_memory(run)) {
		TRY_CODE(memory_socket_find(run, &writer_out->sock));
		return be_remote(run, writer_out);
	}
	code = open_for_writing(run, &opening, &writer_out->store);
	if (code != EXIT_LOCKED)
		return code;
	if (sock_path_open(url, run->arena, &writer_out->sock) != OK || !holder_answers(writer_out->sock.path))
		return console_fail(
			EXIT_LOCKED,
			"%.*s: another process writes this store and does not answer on its control socket; "
			"wait for it to end",
			STR_ARG(url));
	return be_remote(run, writer_out);
}

void
writer_close(struct writer *writer)
{
	store_close(&writer->store);
	sock_path_close(&writer->sock);
}

/* ---- over the control socket -------------------------------------------------------------------------- */

static uint64_t
number(const struct json *object, const char *name)
{
	int64_t value = 0;

	return json_int(json_member(object, name), &value) && value >= 0 ? (uint64_t)value : 0;
}

static enum err
err_of_status(unsigned status)
{
	switch (status) {
	case 400:
		return ERR_BAD_REQUEST;
	case 413:
		return ERR_TOO_LARGE;
	case 503:
		return ERR_BUSY;
	case 507:
		return ERR_FULL;
	default:
		return ERR_UP_REFUSED;
	}
}

static enum err
read_answer(const struct control_response *response, struct arena *arena, struct apply_result *result)
{
	AUTO(json_drop) struct json *root = NULL;
	const struct json           *error;
	struct str                   why = STR("the answer of the serving process cannot be understood");
	enum err                     err = json_read(response->body, arena, &root, NULL);

	if (err == OK && response->status == 200) {
		result->lines = number(root, "lines");
		result->counts.users = number(root, "users");
		result->counts.stored = number(root, "stored");
		result->counts.removed = number(root, "removed");
		result->counts.absent = number(root, "absent");
		return OK;
	}
	error = json_member(root, "error");
	result->bad_line = number(error, "line");
	(void)json_text(json_member(error, "message"), &why);
	str_printf(result->why, sizeof(result->why), "%.*s", STR_ARG(why));
	return err == OK ? err_of_status(response->status) : ERR_UP_GARBLED;
}

static void
wait_before(unsigned attempt)
{
	struct timespec wait = { .tv_nsec = 100000000L };

	for (unsigned i = 0; i < 1U << attempt; i++)
		nanosleep(&wait, NULL);
}

static enum err
apply_remote(struct writer *writer, struct str lines, struct apply_result *result)
{
	AUTO(arena_close) struct arena *arena = arena_open(CALL_ARENA_MAX);
	struct guid                     key = guid_random(writer->entropy);
	struct guid_str                 text = guid_str(&key);
	struct control_response         response;
	enum err                        err = OK;

	for (unsigned attempt = 0; attempt < TRIES; attempt++) {
		struct control_call call = { STR("/-/apply"), true, str_from_c(text.c), lines };

		arena_reset(arena);
		*result = (struct apply_result){ 0 };
		err = control_call(writer->sock.path, &call, arena, &response);
		if (err == OK)
			err = read_answer(&response, arena, result);
		if (err != ERR_NOT_FOUND && err != ERR_UNSURE && err != ERR_BUSY)
			return err;
		if (result->why[0] == 0)
			str_printf(result->why, sizeof(result->why), "the serving process does not answer");
		wait_before(attempt);
	}
	return ERR_BUSY;
}

enum err
writer_apply(struct writer *writer, struct str lines, struct apply_result *result_out)
{
	if (writer->remote)
		return apply_remote(writer, lines, result_out);
	return apply_lines(writer->store, NULL, writer->entropy, NULL, lines, result_out);
}

int
writer_send(struct writer *writer, const struct buf *lines, const char *absent)
{
	struct apply_result result;
	enum err            err = writer_apply(writer, buf_str(lines), &result);

	if (err != OK)
		return console_fail(exit_code_of(err), "%s", result.why);
	return absent && result.counts.absent > 0 ? console_fail(EXIT_PERMANENT, "%s", absent) : EXIT_DONE;
}
