/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/policy.h"

#include "auth/grant.h"
#include "text/uri.h"

#define NS_POLICY  "policy"
#define NAME_BYTES (2 * sizeof(struct guid))

static void
write_name(const struct guid *tenant, const struct guid *user, char name_out[NAME_BYTES])
{
	memcpy(name_out, tenant->b, sizeof(tenant->b));
	memcpy(name_out + sizeof(tenant->b), user->b, sizeof(user->b));
}

bool
policy_app_valid(struct str app)
{
	return app.len > 0 && app.len <= POLICY_APP_MAX && str_find(app, ' ') == app.len && utf8_is_clean(app);
}

enum err
policy_check(struct store *store, const struct guid *tenant, const struct guid *user, struct str app,
             struct arena *arena)
{
	static const struct guid everybody;
	char                     name[NAME_BYTES];
	struct str               apps;
	enum err                 err;

	if (app.len == 0)
		return ERR_NOT_ALLOWED;
	write_name(tenant, user, name);
	err = store_get_kv(store, NS_POLICY, str_of(name, sizeof(name)), arena, &apps);
	if (err == ERR_NOT_FOUND) {
		write_name(tenant, &everybody, name);
		err = store_get_kv(store, NS_POLICY, str_of(name, sizeof(name)), arena, &apps);
	}
	if (err == OK)
		return str_has_word(apps, '\n', app, str_eq_nocase) ? OK : ERR_NOT_ALLOWED;
	return err == ERR_NOT_FOUND ? ERR_NOT_ALLOWED : err;
}

enum err
policy_next(struct store *store, const struct policy *after, struct arena *arena, struct policy *policy_out)
{
	char       last[NAME_BYTES];
	struct str name, apps;
	bool       first = guid_is_zero(&after->tenant);

	write_name(&after->tenant, &after->user, last);
	TRY(store_next_kv(store, NS_POLICY, first ? STR_EMPTY : str_of(last, sizeof(last)), arena, &name, &apps));
	if (name.len != NAME_BYTES)
		return ERR_CORRUPT;
	(void)guid_from_bytes(str_first(name, NAME_BYTES / 2), &policy_out->tenant);
	(void)guid_from_bytes(str_skip(name, NAME_BYTES / 2), &policy_out->user);
	policy_out->apps = apps;
	return OK;
}

void
policy_allow(struct store_txn *txn, const struct guid *tenant, const struct guid *user, struct str app,
             struct arena *arena)
{
	char name[NAME_BYTES];

	if (!policy_app_valid(app)) {
		store_fail(txn, ERR_BAD_REQUEST);
		return;
	}
	write_name(tenant, user, name);
	words_add(txn, NS_POLICY, str_of(name, sizeof(name)), app, POLICY_APPS_MAX, arena);
}

bool
policy_remove(struct store_txn *txn, const struct guid *tenant, const struct guid *user, struct str app,
              struct arena *arena)
{
	char name[NAME_BYTES];

	write_name(tenant, user, name);
	return words_remove(txn, NS_POLICY, str_of(name, sizeof(name)), app, arena);
}

void
policy_forget_user(struct store_txn *txn, const struct guid *tenant, const struct guid *user)
{
	char name[NAME_BYTES];

	write_name(tenant, user, name);
	store_remove_kv(txn, NS_POLICY, str_of(name, sizeof(name)));
}
