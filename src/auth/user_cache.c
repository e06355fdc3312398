/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/user_cache.h"

#include <pthread.h>
#include <stdlib.h>

#define SLOTS 4096 /* 3.5 MB, resident only where users are looked up */
#define LOCKS 64

struct slot {
	bool        used;
	uint64_t    generation; /* the store's kv generation when it was read */
	struct guid tenant, id;
	uint16_t    upn_len, name_len, mail_len;
	char        text[3 * UPN_MAX]; /* one behind the other */
};

struct user_cache {
	struct store   *store;
	pthread_mutex_t locks[LOCKS];
	struct slot     slots[SLOTS];
};

struct user_cache *
user_cache_open(struct store *store)
{
	struct user_cache *users = handle_new(sizeof(*users));

	users->store = store;
	for (size_t i = 0; i < LOCKS; i++)
		MUST(pthread_mutex_init(&users->locks[i], NULL) == 0);
	return users;
}

void
user_cache_close(struct user_cache **users)
{
	if (!*users)
		return;
	for (size_t i = 0; i < LOCKS; i++)
		MUST(pthread_mutex_destroy(&(*users)->locks[i]) == 0);
	free(*users);
	*users = NULL;
}

static size_t
cursor_of(const struct guid *id)
{
	uint64_t halves[2];

	memcpy(halves, id->b, sizeof(halves));
	return (size_t)((halves[0] ^ halves[1] * 31) * UINT64_C(0x9e3779b97f4a7c15) >> 32) % SLOTS;
}

static void
read_slot(const struct slot *slot, struct arena *arena, struct user *user_out)
{
	size_t     name_at = slot->upn_len, mail_at = name_at + slot->name_len;
	struct str text = arena_copy(arena, str_of(slot->text, mail_at + slot->mail_len));

	*user_out = (struct user){
		.tenant = slot->tenant,
		.id = slot->id,
		.upn = str_first(text, name_at),
		.display_name = str_first(str_skip(text, name_at), slot->name_len),
		.mail = str_skip(text, mail_at),
	};
}

static void
append(struct slot *slot, size_t *at, struct str text, uint16_t *len_out)
{
	if (text.len > 0)
		memcpy(slot->text + *at, text.at, text.len);
	*at += text.len;
	*len_out = (uint16_t)text.len;
}

static void
fill_slot(struct slot *slot, const struct user *user, uint64_t generation)
{
	size_t at = 0;

	slot->tenant = user->tenant;
	slot->id = user->id;
	append(slot, &at, user->upn, &slot->upn_len);
	append(slot, &at, user->display_name, &slot->name_len);
	append(slot, &at, user->mail, &slot->mail_len);
	slot->generation = generation;
	slot->used = true;
}

enum err
user_cache_find_owner(struct user_cache *users, const struct guid *tenant, const struct guid *id, struct arena *arena,
                      struct user *user_out)
{
	/* Before the look: what is written in between makes what is kept out of date at once. */
	uint64_t         generation = store_kv_generation(users->store);
	size_t           at = cursor_of(id);
	struct slot     *slot = &users->slots[at];
	pthread_mutex_t *lock = &users->locks[at % LOCKS];
	struct user      user;
	bool             found;

	MUST(pthread_mutex_lock(lock) == 0);
	found = slot->used && slot->generation == generation && guid_eq(&slot->id, id) &&
	        guid_eq(&slot->tenant, tenant);
	if (found)
		read_slot(slot, arena, user_out);
	MUST(pthread_mutex_unlock(lock) == 0);
	if (found)
		return OK;
	TRY(directory_find_owner(users->store, id, arena, &user));
	if (!guid_eq(&user.tenant, tenant))
		return ERR_NOT_FOUND;
	*user_out = user;
	MUST(pthread_mutex_lock(lock) == 0);
	fill_slot(slot, user_out, generation);
	MUST(pthread_mutex_unlock(lock) == 0);
	return OK;
}
