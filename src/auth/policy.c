/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/policy.h"

#include "base/buf.h"
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
	for (size_t i = 0; i < app.len; i++)
		if ((unsigned char)app.at[i] <= 0x20 || app.at[i] == 0x7f)
			return false;
	return app.len > 0 && app.len <= POLICY_APP_MAX && utf8_valid(app);
}

static bool
stands_in(struct str apps, struct str app)
{
	struct str one;

	while (str_take_until(&apps, '\n', &one))
		if (str_eq_nocase(one, app))
			return true;
	return false;
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
		return stands_in(apps, app) ? OK : ERR_NOT_ALLOWED;
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
	memcpy(policy_out->tenant.b, name.at, sizeof(policy_out->tenant.b));
	memcpy(policy_out->user.b, name.at + sizeof(policy_out->tenant.b), sizeof(policy_out->user.b));
	policy_out->apps = apps;
	return OK;
}

static size_t
count_lines(struct str text)
{
	struct str one;
	size_t     count = 0;

	while (str_take_until(&text, '\n', &one))
		count++;
	return count;
}

/* The apps without `app`, one a line. */
static struct str
without(struct str apps, struct str app, struct arena *arena)
{
	char      *kept = arena_take_raw(arena, apps.len + 1);
	size_t     len = 0;
	struct str one;

	while (str_take_until(&apps, '\n', &one)) {
		if (str_eq_nocase(one, app))
			continue;
		memcpy(kept + len, one.at, one.len);
		len += one.len;
		kept[len++] = '\n';
	}
	return str_of(kept, len);
}

void
policy_allow(struct store_txn *txn, const struct guid *tenant, const struct guid *user, struct str app,
             struct arena *arena)
{
	char       name[NAME_BYTES];
	struct str apps = STR_EMPTY;

	if (!policy_app_valid(app)) {
		store_fail(txn, ERR_BAD_REQUEST);
		return;
	}
	write_name(tenant, user, name);
	if (store_txn_get_kv(txn, NS_POLICY, str_of(name, sizeof(name)), &apps) && stands_in(apps, app))
		return;
	if (count_lines(apps) >= POLICY_APPS_MAX) {
		store_fail(txn, ERR_TOO_LARGE);
		return;
	}
	apps = arena_printf(arena, "%.*s%.*s\n", STR_ARG(apps), STR_ARG(app));
	store_put_kv(txn, NS_POLICY, str_of(name, sizeof(name)), apps);
}

bool
policy_remove(struct store_txn *txn, const struct guid *tenant, const struct guid *user, struct str app,
              struct arena *arena)
{
	char       name[NAME_BYTES];
	struct str apps, left;

	write_name(tenant, user, name);
	if (!store_txn_get_kv(txn, NS_POLICY, str_of(name, sizeof(name)), &apps) || !stands_in(apps, app))
		return false;
	left = without(apps, app, arena);
	if (left.len > 0)
		store_put_kv(txn, NS_POLICY, str_of(name, sizeof(name)), left);
	else
		store_remove_kv(txn, NS_POLICY, str_of(name, sizeof(name)));
	return true;
}

void
policy_forget_user(struct store_txn *txn, const struct guid *tenant, const struct guid *user)
{
	char name[NAME_BYTES];

	write_name(tenant, user, name);
	store_remove_kv(txn, NS_POLICY, str_of(name, sizeof(name)));
}
