/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The temporary store has two namespaces of kv entries:
 *   ids   user id                      → "+" tenant upn, or "-" if a line removes the user
 *   upns  tenant and folded upn        → user id
 * An id without an entry is as the real store has it.
 */
#include "admin/check.h"

#include <stdlib.h>

#include "base/scratch_dir.h"

#define IDS         "ids"
#define UPNS        "upns"
#define KNOWN_SLOTS 1024 /* cache of owners; a power of two */
#define PUTS_MAX    2000 /* kv entries per transaction */
#define TXN_ARENA   ((size_t)256 << 20)

struct check {
	struct store         *store;
	struct scratch_dir    dir; /* of the temporary store */
	struct store         *scratch;
	struct store_txn     *txn; /* on the temporary store; open if there is something to commit */
	struct arena         *txn_arena;
	struct arena         *arena; /* reset for each line */
	const struct clock   *clock;
	const struct entropy *entropy;
	unsigned              puts;
	bool                  clients_go; /* a line before this one removes a client: the store is behind */
	struct guid           tenant;
	struct guid           known[KNOWN_SLOTS];
};

enum err
check_open(struct store *store, const struct clock *clock, const struct entropy *entropy, struct check **check_out,
           char why_out[512])
{
	struct check *check = handle_new(sizeof(*check));
	enum err      err;

	check->store = store;
	check->clock = clock;
	check->entropy = entropy;
	check->arena = arena_open(LINE_ARENA_MAX);
	check->txn_arena = arena_open(TXN_ARENA);
	err = directory_tenant(store, check->arena, &check->tenant);
	if (err != OK) {
		str_printf(why_out, 512, "the store has no tenant yet: %s", err_text(err));
		check_close(&check);
		return err;
	}
	*check_out = check;
	return OK;
}

void
check_close(struct check **check)
{
	struct check *it = *check;

	if (!it)
		return;
	store_abort(&it->txn);
	store_close(&it->scratch);
	scratch_dir_close(&it->dir);
	arena_close(&it->txn_arena);
	arena_close(&it->arena);
	free(it);
	*check = NULL;
}

/* ---- the temporary store ------------------------------------------------------------------------------ */

static enum err
open_scratch(struct check *check)
{
	struct store_conf conf = { .access = STORE_SERVE, .create = true, .scratch = true };
	char              why[512];

	TRY(scratch_dir_open(SCRATCH_ON_DISK, &check->dir, why));
	conf.url = arena_printf(check->arena, "sqlite:%s/check.db", check->dir.path);
	conf.clock = check->clock;
	conf.entropy = check->entropy;
	return store_open(&conf, &check->scratch, why);
}

static enum err
end_txn(struct check *check)
{
	enum err err = check->txn ? store_commit(&check->txn) : OK;

	arena_reset(check->txn_arena);
	check->puts = 0;
	return err;
}

static enum err
begin_txn(struct check *check)
{
	if (!check->scratch)
		TRY(open_scratch(check));
	if (check->puts >= PUTS_MAX)
		TRY(end_txn(check));
	if (!check->txn)
		check->txn = store_begin(check->scratch, NULL, check->txn_arena);
	check->puts++;
	return store_txn_err(check->txn);
}

struct seen {
	bool        seen; /* an earlier line is about this user */
	bool        removed;
	struct guid tenant;
	struct str  upn;
};

static enum err
look_up(struct check *check, const struct guid *id, struct seen *seen_out)
{
	struct str record;
	bool       found;

	*seen_out = (struct seen){ 0 };
	if (!check->scratch)
		return OK;
	TRY(begin_txn(check));
	found = store_txn_get_kv(check->txn, IDS, guid_bytes(id), &record);
	TRY(store_txn_err(check->txn));
	if (!found)
		return OK;
	seen_out->seen = true;
	seen_out->removed = record.at[0] == '-';
	if (!seen_out->removed) {
		(void)guid_from_bytes(str_first(str_skip(record, 1), sizeof(seen_out->tenant.b)), &seen_out->tenant);
		seen_out->upn = arena_copy(check->arena, str_skip(record, 1 + sizeof(seen_out->tenant.b)));
	}
	return OK;
}

static struct str
present_kv(const struct user *user, struct arena *arena)
{
	size_t head = 1 + sizeof(user->tenant.b);
	char  *record = arena_take_raw(arena, head + user->upn.len);

	record[0] = '+';
	memcpy(record + 1, user->tenant.b, sizeof(user->tenant.b));
	memcpy(record + head, user->upn.at, user->upn.len);
	return str_of(record, head + user->upn.len);
}

static enum err
remember(struct check *check, const struct user *user, const struct seen *before, bool removed)
{
	struct str id = guid_bytes(&user->id), record = STR("-");

	TRY(begin_txn(check));
	if (before->seen && !before->removed)
		store_remove_kv(check->txn, UPNS, directory_upn_name(&before->tenant, before->upn, check->arena));
	if (!removed) {
		record = present_kv(user, check->arena);
		store_put_kv(check->txn, UPNS, directory_upn_name(&user->tenant, user->upn, check->arena), id);
	}
	store_put_kv(check->txn, IDS, id, record);
	return store_txn_err(check->txn);
}

/* ---- users ------------------------------------------------------------------------------------------- */

static struct guid *
slot_of(struct check *check, const struct guid *id)
{
	unsigned mix = (unsigned)id->b[0] | (unsigned)id->b[1] << 8;

	return &check->known[(mix ^ id->b[5] ^ (unsigned)id->b[15] << 2) & (KNOWN_SLOTS - 1)];
}

static enum err
check_owner(struct check *check, const struct guid *id, struct str *why_out)
{
	struct guid *slot = slot_of(check, id);
	struct seen  seen;
	struct user  user;
	enum err     err = OK;

	if (guid_eq(slot, id) && !guid_is_zero(id))
		return OK;
	TRY(look_up(check, id, &seen));
	if (!seen.seen)
		err = directory_find_owner(check->store, id, check->arena, &user);
	else if (seen.removed)
		err = ERR_NOT_FOUND;
	if (err == OK)
		*slot = *id;
	if (err != ERR_NOT_FOUND)
		return err;
	*why_out = arena_printf(check->arena, "there is no user %s in the store or before this line", guid_str(id).c);
	return ERR_BAD_REQUEST;
}

/* Refuses a name that another user has. */
static enum err
check_upn(struct check *check, const struct user *user, struct str *why_out)
{
	struct user holder;
	struct seen seen;
	struct str  record;
	bool        taken = false;
	enum err    err;

	if (check->scratch) {
		TRY(begin_txn(check));
		taken = store_txn_get_kv(check->txn, UPNS, directory_upn_name(&user->tenant, user->upn, check->arena),
		                         &record) &&
		        !str_eq(record, guid_bytes(&user->id));
		TRY(store_txn_err(check->txn));
	}
	if (!taken) {
		err = directory_find_user(check->store, &user->tenant, user->upn, check->arena, &holder);
		if (err != OK && err != ERR_NOT_FOUND)
			return err;
		if (err == OK && !guid_eq(&holder.id, &user->id)) {
			TRY(look_up(check, &holder.id, &seen));
			taken = !seen.seen;
		}
	}
	if (!taken)
		return OK;
	*why_out = arena_printf(check->arena, "the userPrincipalName %.*s is another user's", STR_ARG(user->upn));
	return ERR_BAD_REQUEST;
}

static enum err
check_user(struct check *check, const struct line_op *op, struct str *why_out)
{
	struct user user = op->user, known;
	struct seen seen;
	enum err    err = ERR_NOT_FOUND;
	struct guid tenant = check->tenant;
	bool        exists;

	TRY(look_up(check, &user.id, &seen));
	if (!seen.seen)
		err = directory_find_owner(check->store, &user.id, check->arena, &known);
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	exists = err == OK || (seen.seen && !seen.removed);
	if (exists)
		tenant = err == OK ? known.tenant : seen.tenant;
	if (exists && op->has_tenant && !guid_eq(&tenant, &user.tenant)) {
		*why_out = STR("this user belongs to another tenant; a user cannot move");
		return ERR_BAD_REQUEST;
	}
	if (!op->has_tenant)
		user.tenant = tenant;
	TRY(check_upn(check, &user, why_out));
	*slot_of(check, &user.id) = user.id;
	return remember(check, &user, &seen, false);
}

static enum err
check_removed_user(struct check *check, const struct guid *id)
{
	struct user user = { .id = *id };
	struct seen seen;

	TRY(look_up(check, id, &seen));
	*slot_of(check, id) = (struct guid){ { 0 } };
	return remember(check, &user, &seen, true);
}

static enum err
check_client(struct check *check, const struct line_op *op, struct str *why_out)
{
	struct client known;
	enum err      err = client_check(check->store, &op->client, check->arena);

	*why_out = err == ERR_CONFLICT ? STR(LINE_CLIENT_GONE) : STR_EMPTY;
	if (err == OK && op->has_tenant && !check->clients_go &&
	    client_find(check->store, &op->client.id, check->arena, &known) == OK &&
	    !guid_eq(&known.tenant, &op->client.tenant))
		*why_out = STR(LINE_CLIENT_MOVES);
	return why_out->len > 0 ? ERR_BAD_REQUEST : err;
}

enum err
check_line(struct check *check, struct str text, struct str *why_out)
{
	struct line_op op;
	enum err       err;

	arena_reset(check->arena);
	err = line_parse(text, check->arena, &op, why_out);
	if (err != OK)
		return ERR_BAD_REQUEST;
	switch (op.kind) {
	case LINE_USER:
		return check_user(check, &op, why_out);
	case LINE_PUT:
		if (op.has_content)
			*why_out = STR(
				"\"content\" is what tidemark import itself writes; name a \"contentFile\" instead");
		return op.has_content ? ERR_BAD_REQUEST : check_owner(check, &op.owner, why_out);
	case LINE_REMOVE:
		return check_owner(check, &op.owner, why_out);
	case LINE_POLICY:
	case LINE_REMOVE_POLICY:
		return guid_is_zero(&op.owner) ? OK : check_owner(check, &op.owner, why_out);
	case LINE_REMOVE_USER:
		return check_removed_user(check, &op.user.id);
	case LINE_CLIENT:
		return check_client(check, &op, why_out);
	case LINE_REMOVE_CLIENT:
		check->clients_go = true;
		return OK;
	case LINE_GRANT:
	case LINE_REMOVE_GRANT:
		return OK;
	}
	return OK;
}
