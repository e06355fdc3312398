/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/owner.h"

#define SCOPE_ARENA_MAX  ((size_t)256 << 10)
#define ANSWER_ARENA_MAX ((size_t)32 << 20)
#define NAMES_SHOWN      200 /* bytes, and one name more */

int
owner_find_scope(struct cmd_run *run, struct replica *replica, struct replica_scope *scope_out)
{
	AUTO(arena_close) struct arena *one = arena_open(SCOPE_ARENA_MAX);
	struct str url = str_from_c(run->args[0]), name = str_from_c(cmd_value(run, "scope")), names = STR_EMPTY;
	struct replica_scope scope;
	int64_t              sid = 0;
	unsigned             count = 0;
	enum err             err;

	*scope_out = (struct replica_scope){ .sid = 0 };
	for (; (err = replica_find_owned(replica, url, count, one, &scope)) == OK; count++) {
		if (name.len == 0 || str_eq(name, scope.name))
			sid = scope.sid;
		if (names.len < NAMES_SHOWN)
			names = arena_printf(run->arena, "%.*s%s%.*s", STR_ARG(names), count > 0 ? ", " : "",
			                     STR_ARG(scope.name));
		arena_reset(one);
	}
	if (err == ERR_NOT_FOUND && count > 1 && name.len == 0)
		return cmd_usage(run, FOLLOW_SEVERAL_OWNERS, STR_ARG(names));
	if (err == ERR_NOT_FOUND)
		err = sid == 0 ? OK : replica_get_scope(replica, sid, run->arena, scope_out);
	return err == OK ? EXIT_DONE
	                 : console_fail(exit_code_of(err), "%.*s", STR_ARG(replica_why(replica, run->arena)));
}

int
owner_look(struct cmd_run *run, struct replica_scope *scope_out, struct replica_asking *asking_out)
{
	struct store_conf conf = { .url = conf_get(&run->conf, CONF_STORE),
		                   .access = STORE_LOOK,
		                   .clock = run->clock,
		                   .entropy = run->entropy };
	struct replica   *replica = NULL;
	char              why[512];
	int               code;

	*scope_out = (struct replica_scope){ .sid = 0 };
	*asking_out = (struct replica_asking){ .page_size = 0 };
	if (replica_open(&conf, &replica, why) != OK)
		return EXIT_DONE;
	code = owner_find_scope(run, replica, scope_out);
	if (scope_out->sid != 0 && replica_get_asking(replica, scope_out->sid, run->arena, asking_out) != OK)
		*asking_out = (struct replica_asking){ .page_size = 0 };
	replica_close(&replica);
	return code;
}

int
owner_of_copied(struct following *following)
{
	struct follow_owner  *owner = &following->owner;
	struct replica_scope  scope;
	struct replica_asking asking;

	TRY_CODE(owner_look(following->run, &scope, &asking));
	(void)str_printf(owner->text, sizeof(owner->text), "%.*s", STR_ARG(scope.owner));
	if (!cmd_has(following->run, "prefer"))
		following->http.prefer = asking.prefer;
	return EXIT_DONE;
}

bool
owner_matters(struct following *following)
{
	const char *bad;

	return following->conf.bearer && follow_url_is_good(following->conf.url, &bad) &&
	       follow_owner_link(following->conf.url, following->run->arena, &following->owner.link);
}

/* Of many runs, each asks with its own thread's source, which lets the others go on. */
static struct follow_source
source_of(struct following *following)
{
	if (following->shared)
		return following->source;
	following->owner_http = following->http;
	following->owner_http.fetch = following->curl;
	return follow_http_source(&following->owner_http);
}

void
owner_learn(struct following *following)
{
	AUTO(arena_close) struct arena *arena = arena_open(ANSWER_ARENA_MAX);
	struct arena                   *run_arena = following->run->arena;
	struct follow_owner            *owner = &following->owner;
	struct str                      token, why = STR_EMPTY;

	owner->inner = following->bearer;
	owner->source = source_of(following);
	following->bearer = follow_owner_bearer(owner);
	following->conf.owner = owner;
	/* A failure is reported as one of the first page.  The token is not fetched again: that may fail otherwise. */
	owner->failed = following->bearer.get(following->bearer.ctx, false, arena, &token, &why);
	following->owner_err = owner->failed;
	owner->why = arena_copy(run_arena, why);
	owner->answer = (struct follow_response){ .status = owner->answer.status,
		                                  .retry_after = arena_copy(run_arena, owner->answer.retry_after),
		                                  .date = arena_copy(run_arena, owner->answer.date) };
}

void
owner_report(struct following *following)
{
	const struct follow_owner *owner = following->conf.owner;
	struct replica_scope       scope, other;

	if (!owner || following->owner_err != OK || following->is_scratch ||
	    replica_get_scope(following->replica, follow_sid(following->follow), following->run->arena, &scope) != OK)
		return;
	if (owner->doubt[0])
		cmd_say(following->run, "whose data the credential opens is not known: %s", owner->doubt);
	else if (scope.rounds == 0 &&
	         replica_find_owned(following->replica, following->conf.url, 1, following->run->arena, &other) == OK)
		cmd_say(following->run,
		        "this URL is followed for another owner, too; the data of %s gets the scope \"%.*s\"",
		        owner->text, STR_ARG(scope.name));
}
