/* SPDX-License-Identifier: Apache-2.0 */
/* The store of a follower, for commands that read it or change its scopes. */
#include "sync/following.h"

#include "cli/suggest.h"
#include "resource/resource.h"

#define PAGE_BYTES      16384 /* page size of a new store's file: a round writes many rows in order */
#define SCOPE_ARENA_MAX ((size_t)256 << 10)
#define SCOPES_COMPARED 1000 /* with a name that is not there */

int
following_failed(struct cmd_run *run, struct replica *replica, enum err err)
{
	struct str why = replica_why(replica, run->arena);

	return cmd_fail(run, exit_code_of(err), "%.*s: %.*s", STR_ARG(conf_get(&run->conf, CONF_STORE)),
	                STR_ARG(why.len ? why : str_from_c(err_text(err))));
}

int
following_open_failed(struct cmd_run *run, enum err err, const char *why)
{
	struct str url = conf_get(&run->conf, CONF_STORE);
	int        code = err == ERR_BAD_REQUEST ? EXIT_USAGE : (int)exit_code_of(err);

	if (err == ERR_NOT_FOUND)
		return cmd_fail(run, EXIT_PERMANENT, "there is no store at %.*s; `tidemark sync URL` makes one",
		                STR_ARG(url));
	return cmd_fail(run, (enum exit_code)code, "%s", why[0] ? why : err_text(err));
}

static int
open_store(struct cmd_run *run, struct store_conf conf, struct replica **replica_out)
{
	char     why[512];
	enum err err;

	conf.url = conf.scratch ? conf.url : conf_get(&run->conf, CONF_STORE);
	conf.views = resource_views(run->arena);
	conf.clock = run->clock;
	conf.entropy = run->entropy;
	err = replica_open(&conf, replica_out, why);
	return err == OK ? EXIT_DONE : following_open_failed(run, err, why);
}

int
following_make(struct cmd_run *run, const char *scratch_path, struct replica **replica_out)
{
	struct store_conf conf = { .access = STORE_SERVE, .create = true, .page_bytes = PAGE_BYTES };

	conf.scratch = scratch_path != NULL;
	if (scratch_path)
		conf.url = arena_printf(run->arena, "sqlite:%s", scratch_path);
	return open_store(run, conf, replica_out);
}

int
following_look(struct cmd_run *run, struct replica **replica_out)
{
	return open_store(run, (struct store_conf){ .access = STORE_LOOK }, replica_out);
}

int
following_own(struct cmd_run *run, struct replica **replica_out)
{
	return open_store(run, (struct store_conf){ .access = STORE_SERVE }, replica_out);
}

/* "; did you mean …", or "". */
static const char *
scope_meant(struct replica *replica, const char *name, struct arena *arena)
{
	AUTO(arena_close) struct arena *one = arena_open(SCOPE_ARENA_MAX);
	struct suggestion               suggestion = { .word = str_from_c(name) };
	struct replica_scope            scope = { .sid = 0 };

	for (int i = 0; i < SCOPES_COMPARED && replica_next_scope(replica, scope.sid, one, &scope) == OK; i++) {
		suggestion_try(&suggestion, arena_c(arena, scope.name));
		arena_reset(one);
	}
	return suggestion_text(&suggestion, arena);
}

int
following_scope_named(struct cmd_run *run, struct replica *replica, const char *name, struct arena *arena,
                      struct replica_scope *scope_out)
{
	enum err err = replica_find_scope(replica, str_from_c(name), arena, scope_out);

	if (err == ERR_NOT_FOUND)
		return console_fail(EXIT_PERMANENT, "there is no scope \"%s\"%s; `tidemark status` lists them", name,
		                    scope_meant(replica, name, run->arena));
	return err == OK ? EXIT_DONE : following_failed(run, replica, err);
}

int
following_find_scope(struct cmd_run *run, struct replica *replica, int64_t *sid_out)
{
	AUTO(arena_close) struct arena *arena = arena_open(SCOPE_ARENA_MAX);
	struct replica_scope            scope;
	const char                     *name = cmd_value(run, "scope");

	*sid_out = 0;
	if (!name)
		return EXIT_DONE;
	TRY_CODE(following_scope_named(run, replica, name, arena, &scope));
	*sid_out = scope.sid;
	return EXIT_DONE;
}
