/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/steps.h"

#include "auth/policy.h"
#include "auth/user_cache.h"

enum err
access_identify(struct call *call)
{
	struct str  authorization = http_req_field(call->req, "Authorization");
	const char *why = NULL;
	enum err    err;

	if (authorization.len == 0)
		return call_refuse(call, GRAPH_NO_TOKEN, STR_EMPTY);
	err = auth_check(call->graph->parts.gate, authorization, call->arena, &call->caller, &why);
	return err == ERR_NO_IDENTITY ? call_refuse(call, GRAPH_BAD_BEARER, str_from_c(why)) : err;
}

/* A GUID, or users('{oid}@{tid}') as our own @odata.id writes it.  The tenant must be the caller's. */
bool
access_parse_user(struct str text, const struct guid *tenant, struct guid *owner_out)
{
	struct guid of;

	if (text.len == 2 * GUID_TEXT_LEN + 1 && text.at[GUID_TEXT_LEN] == '@')
		return guid_parse(str_skip(text, GUID_TEXT_LEN + 1), &of) && guid_eq(&of, tenant) &&
		       guid_parse(str_first(text, GUID_TEXT_LEN), owner_out);
	return guid_parse(text, owner_out);
}

/* Checks the right before it looks the owner up, so that a caller without it does not learn who exists. */
static enum err
find_owner(struct call *call, enum right right)
{
	struct store *store = call->graph->parts.store;
	struct guid   owner = call->caller.oid;
	bool          is_served;
	enum err      err;

	if (call->route.me && call->caller.is_app)
		return call_refuse(call, GRAPH_ME_NEEDS_USER, STR_EMPTY);
	if (!call->route.me && !access_parse_user(call->route.user, &call->caller.tenant, &owner)) {
		err = directory_find_user(store, &call->caller.tenant, call->route.user, call->arena, &call->owner);
		if (err == OK)
			owner = call->owner.id;
		else if (err == ERR_NOT_FOUND)
			owner = (struct guid){ { 0 } };
		else
			return err;
	}
	is_served = false;
	if (!guid_is_zero(&owner))
		TRY(served_replace(call, &owner, &is_served));
	if (is_served)
		return served_authorise(call);
	if (caller_may(&call->caller, right, &owner) != OK)
		return call_refuse(call, GRAPH_NOT_ALLOWED, STR_EMPTY);
	err = user_cache_find_owner(call->graph->users, &call->caller.tenant, &owner, call->arena, &call->owner);
	if (err == ERR_NOT_FOUND)
		return call_refuse(call, GRAPH_UNKNOWN_USER, STR_EMPTY);
	return err;
}

/* Names the missing grant, in the words of Graph's cloud communications services. */
static enum err
refuse_recordings(struct call *call, enum right right)
{
	const struct right_row *row = right_row(right);
	bool                    user = !call->caller.is_app && row->delegated[0];
	const char *const      *grants = user ? row->delegated : row->application;
	/* A person's token has no roles, whatever its scopes are called. */
	struct str held = user || call->caller.is_app ? str_cut(call->caller.grants, 512) : STR_EMPTY;
	struct str list = STR_EMPTY;

	if (user && caller_has(&call->caller, grants[0]))
		return call_refuse(call, GRAPH_FORBIDDEN, STR("3003: User does not have access to lookup meeting."));
	for (; *grants; grants++)
		list = arena_printf(call->arena, "%.*s%s%s", STR_ARG(list), list.len ? ", " : "", *grants);
	return call_refuse_f(call, GRAPH_FORBIDDEN,
	                     "Missing %s permissions on the request. API requires one of '%.*s' (%s permissions). %s "
	                     "on the request '%.*s'.%s",
	                     user ? "scope" : "role", STR_ARG(list), user ? "delegated" : "application",
	                     user ? "Scopes" : "Roles", STR_ARG(held),
	                     call->caller.is_app || user ? "" : " The token is delegated; sign in as an app.");
}

static enum err
check_policy(struct call *call)
{
	enum err err = policy_check(call->graph->parts.store, &call->owner.tenant, &call->owner.id, call->caller.app,
	                            call->arena);

	if (err != ERR_NOT_ALLOWED)
		return err;
	return call_refuse_f(call, GRAPH_NO_POLICY, "No application access policy found for this app %.*s on the user.",
	                     STR_ARG(str_cut(call->caller.app, 128)));
}

enum right
access_right(const struct call *call)
{
	enum right right = call_reads(call) ? call->route.read : call->route.write;
	bool       reads_recordings = call->route.resource == &resource_recording && right != RIGHT_RECORDINGS_WRITE;

	return reads_recordings && !call->caller.is_app && call->graph->parts.recordings_delegated
	               ? RIGHT_OWN_RECORDINGS_READ
	               : right;
}

const struct right_row *
access_row(const struct call *call)
{
	enum right right = access_right(call);

	if (call->route.served)
		return &call->route.served->row;
	return right == RIGHT_COUNT ? NULL : right_row(right);
}

static bool
needs_policy(const struct call *call, enum right right)
{
	return call->caller.is_app && (right == RIGHT_MEETING_RECORDINGS_READ ||
	                               (right == RIGHT_RECORDINGS_READ && call->graph->parts.policy_organizer_wide));
}

/* A list of users is of the whole tenant. */
static enum err
authorise_directory(struct call *call, enum right right)
{
	const struct guid everyone = { { 0 } };

	call->owner.tenant = call->caller.tenant;
	call->feed = (struct store_feed){ .tenant = call->caller.tenant };
	return caller_may(&call->caller, right, &everyone) == OK ? OK : call_refuse(call, GRAPH_NOT_ALLOWED, STR_EMPTY);
}

enum err
access_authorise(struct call *call)
{
	enum right right = access_right(call);
	enum err   err;

	if (call->route.served)
		return served_authorise(call);
	if (call->route.kind == ROUTE_USERS)
		return authorise_directory(call, right);
	err = find_owner(call, right);

	if (call->error == GRAPH_NOT_ALLOWED && call->route.resource == &resource_recording)
		return refuse_recordings(call, right);
	TRY(err);
	if (call->route.served)
		return OK;
	if (needs_policy(call, right))
		TRY(check_policy(call));
	call->feed = (struct store_feed){ call->owner.tenant, call->owner.id, call->route.resource->number };
	return OK;
}
