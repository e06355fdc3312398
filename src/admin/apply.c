/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/apply.h"

#include "auth/grant.h"
#include "auth/policy.h"

/* A transaction may read the old body of each of its items. */
#define TXN_ARENA_MAX (APPLY_LINES_MAX * (STORE_BODY_MAX + ((size_t)64 << 10)))

/* `txn_arena` lives as long as the transaction: it holds the owner found last. `line_arena` is reset for each line. */
struct line_target {
	struct guid           tenant;  /* of users who name none */
	struct content       *content; /* must have the lines' content; NULL: not checked */
	const struct entropy *entropy;
	struct arena         *txn_arena;
	struct arena         *line_arena;
	struct user           owner;
	bool                  has_owner;
};

/* ---- one line ---------------------------------------------------------------------------------------- */

static void
refuse(struct store_txn *txn, enum err err, struct str why, struct str *why_out)
{
	*why_out = why;
	store_fail(txn, err);
}

static void
count_removal(struct line_counts *counts, bool was_there)
{
	*(was_there ? &counts->removed : &counts->absent) += 1;
}

static bool
find_owner(struct store_txn *txn, struct line_target *target, const struct guid *id, struct str *why_out)
{
	if (target->has_owner && guid_eq(&target->owner.id, id))
		return true;
	target->has_owner = directory_txn_find_owner(txn, id, target->txn_arena, &target->owner);
	if (!target->has_owner && store_txn_err(txn) == OK)
		refuse(txn, ERR_NOT_FOUND, arena_printf(target->txn_arena, "there is no user %s", guid_str(id).c),
		       why_out);
	return target->has_owner;
}

static void
apply_user(struct store_txn *txn, struct line_target *target, const struct line_op *op, struct line_counts *counts,
           struct str *why_out)
{
	struct user user = op->user, known;
	bool        exists = directory_txn_find_owner(txn, &user.id, target->line_arena, &known);

	target->has_owner = false;
	if (exists && op->has_tenant && !guid_eq(&known.tenant, &user.tenant)) {
		refuse(txn, ERR_CONFLICT, STR("this user belongs to another tenant; a user cannot move"), why_out);
		return;
	}
	if (!op->has_tenant)
		user.tenant = exists ? known.tenant : target->tenant;
	directory_put_user(txn, &user, target->line_arena);
	if (store_txn_err(txn) == ERR_CONFLICT)
		*why_out = arena_printf(target->txn_arena, "the userPrincipalName %.*s is another user's",
		                        STR_ARG(user.upn));
	counts->users++;
}

static struct resource_ctx
ctx_of(const struct line_target *target, const struct line_op *op)
{
	return (struct resource_ctx){
		.resource = op->resource,
		.feed = { target->owner.tenant, op->owner, op->resource->number },
		.owner_name = user_name(&target->owner),
		.owner_address = user_address(&target->owner),
		.entropy = target->entropy,
		.arena = target->line_arena,
	};
}

/* False: there is no such item.  A calendar group that holds calendars stays, as over HTTP. */
static bool
apply_removal(struct store_txn *txn, struct line_target *target, const struct line_op *op, struct str *why_out)
{
	struct resource_ctx ctx = ctx_of(target, op);
	struct str          why = STR_EMPTY;
	struct item         item;

	if (!op->resource->removal_is_checked)
		return store_remove(txn, &ctx.feed, op->id);
	if (!store_txn_get(txn, &ctx.feed, op->id, &item))
		return false;
	op->resource->remove(txn, &ctx, op->id, STR_EMPTY, &why);
	if (why.len > 0)
		*why_out = arena_copy(target->txn_arena, why);
	return true;
}

static void
apply_put(struct store_txn *txn, struct line_target *target, const struct line_op *op, struct str *why_out)
{
	struct resource_ctx ctx = ctx_of(target, op);
	struct str          why = STR_EMPTY;

	if (op->has_content && target->content && !content_has(target->content, &op->content))
		refuse(txn, ERR_BAD_REQUEST,
		       STR("its content is not in the folder of recordings; import the file again"), &why);
	else
		op->resource->put_import(op->resource, txn, &ctx, op->value, op->has_content ? &op->content : NULL,
		                         &why);
	if (why.len > 0)
		*why_out = arena_copy(target->txn_arena, why);
}

static void
apply_client(struct store_txn *txn, const struct line_target *target, const struct line_op *op,
             struct line_counts *counts, struct str *why_out)
{
	struct client client = op->client, known;
	bool          exists = client_txn_find(txn, &client.id, target->line_arena, &known);

	if (exists && op->has_tenant && !guid_eq(&known.tenant, &client.tenant)) {
		refuse(txn, ERR_CONFLICT, STR(LINE_CLIENT_MOVES), why_out);
		return;
	}
	if (!op->has_tenant)
		client.tenant = exists ? known.tenant : target->tenant;
	client_put(txn, &client);
	if (store_txn_err(txn) == ERR_CONFLICT)
		*why_out = STR(LINE_CLIENT_GONE);
	counts->stored++;
}

static void
apply_policy(struct store_txn *txn, struct line_target *target, const struct line_op *op, struct line_counts *counts,
             struct str *why_out)
{
	struct guid tenant = op->has_tenant ? op->user.tenant : target->tenant;

	if (!guid_is_zero(&op->owner)) {
		if (!find_owner(txn, target, &op->owner, why_out))
			return;
		tenant = target->owner.tenant;
	}
	if (op->kind == LINE_REMOVE_POLICY) {
		count_removal(counts, policy_remove(txn, &tenant, &op->owner, op->app, target->line_arena));
		return;
	}
	policy_allow(txn, &tenant, &op->owner, op->app, target->line_arena);
	if (store_txn_err(txn) == ERR_TOO_LARGE)
		*why_out = STR("a policy may have 400 applications");
	counts->stored++;
}

static void
apply_grant(struct store_txn *txn, const struct line_op *op, struct arena *arena, struct line_counts *counts,
            struct str *why_out)
{
	if (op->kind == LINE_REMOVE_GRANT) {
		count_removal(counts, grant_remove(txn, op->id, op->app, arena));
		return;
	}
	grant_add(txn, op->id, op->app, arena);
	if (store_txn_err(txn) == ERR_TOO_LARGE)
		*why_out = STR("a scope may have 400 grants");
	counts->stored++;
}

static void
apply_op(struct store_txn *txn, struct line_target *target, const struct line_op *op, struct line_counts *counts,
         struct str *why_out)
{
	switch (op->kind) {
	case LINE_USER:
		apply_user(txn, target, op, counts, why_out);
		return;
	case LINE_PUT:
		if (!find_owner(txn, target, &op->owner, why_out))
			return;
		apply_put(txn, target, op, why_out);
		counts->stored++;
		return;
	case LINE_REMOVE:
		if (find_owner(txn, target, &op->owner, why_out))
			count_removal(counts, apply_removal(txn, target, op, why_out));
		return;
	case LINE_POLICY:
	case LINE_REMOVE_POLICY:
		apply_policy(txn, target, op, counts, why_out);
		return;
	case LINE_GRANT:
	case LINE_REMOVE_GRANT:
		apply_grant(txn, op, target->line_arena, counts, why_out);
		return;
	case LINE_REMOVE_USER:
		target->has_owner = false;
		count_removal(counts, directory_remove_user(txn, &op->user.id, target->line_arena));
		return;
	case LINE_CLIENT:
		apply_client(txn, target, op, counts, why_out);
		return;
	case LINE_REMOVE_CLIENT:
		count_removal(counts, client_remove(txn, &op->client.id));
		return;
	}
}

/* ---- a batch -------------------------------------------------------------------------------------------- */

static void
set_why(struct apply_result *result, struct str why)
{
	str_printf(result->why, sizeof(result->why), "%.*s", STR_ARG(why));
}

/* A repeated batch changes nothing. The counts are of what its lines ask for. */
static void
count_again(const struct line_op *op, struct line_counts *counts)
{
	switch (op->kind) {
	case LINE_USER:
		counts->users++;
		return;
	case LINE_CLIENT:
	case LINE_PUT:
	case LINE_POLICY:
	case LINE_GRANT:
		counts->stored++;
		return;
	case LINE_REMOVE:
	case LINE_REMOVE_USER:
	case LINE_REMOVE_CLIENT:
	case LINE_REMOVE_POLICY:
	case LINE_REMOVE_GRANT:
		counts->removed++;
		return;
	}
}

static enum err
apply_one(struct store_txn *txn, struct line_target *target, struct str text, struct apply_result *result)
{
	struct line_op op;
	struct str     why = STR_EMPTY;
	enum err       err;

	arena_reset(target->line_arena);
	err = line_parse(text, target->line_arena, &op, &why);
	if (err == OK && store_was_done(txn)) {
		count_again(&op, &result->counts);
		return OK;
	}
	if (err == OK) {
		apply_op(txn, target, &op, &result->counts, &why);
		err = store_txn_err(txn);
	}
	if (err == OK)
		return OK;
	if (why.len > 0) {
		result->bad_line = result->lines;
		set_why(result, why);
		return ERR_BAD_REQUEST;
	}
	return err;
}

static enum err
apply_all(struct store_txn *txn, struct line_target *target, struct str lines, struct apply_result *result)
{
	struct str text;

	result->again = store_was_done(txn);
	while (str_take_until(&lines, '\n', &text)) {
		result->lines++;
		if (result->lines > APPLY_LINES_MAX) {
			result->bad_line = result->lines;
			set_why(result, STR("more lines than a batch may have"));
			return ERR_BAD_REQUEST;
		}
		if (!line_is_blank(text))
			TRY(apply_one(txn, target, text, result));
	}
	return OK;
}

enum err
apply_lines(struct store *store, struct content *content, const struct entropy *entropy, const struct store_op *op,
            struct str lines, struct apply_result *result_out)
{
	AUTO(arena_close) struct arena     *line_arena = arena_open(LINE_ARENA_MAX);
	AUTO(arena_close) struct arena     *txn_arena = arena_open(TXN_ARENA_MAX);
	AUTO(store_abort) struct store_txn *txn = NULL;
	struct line_target                  target = { .content = content, .entropy = entropy };
	enum err                            err;

	target.txn_arena = txn_arena;
	target.line_arena = line_arena;
	*result_out = (struct apply_result){ 0 };
	err = directory_tenant(store, line_arena, &target.tenant);
	if (err == OK) {
		txn = store_begin(store, op, txn_arena);
		err = store_txn_err(txn);
	}
	if (err == OK)
		err = apply_all(txn, &target, lines, result_out);
	if (err == OK)
		err = store_commit(&txn);
	if (err != OK && result_out->bad_line == 0) {
		struct str why;

		arena_reset(line_arena);
		why = store_why(store, line_arena);
		set_why(result_out, why.len > 0 ? why : str_from_c(err_text(err)));
	}
	return err;
}
