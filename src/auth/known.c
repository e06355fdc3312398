/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/known.h"

#include <pthread.h>
#include <stdlib.h>

#define PLACES 4096                              /* 3.5 MB, resident only where users are looked up */
#define LOCKS  64

struct place {
	bool        used;
	uint64_t    notes;                       /* the store's notes when it was read */
	struct guid tenant, id;
	uint16_t    upn_len, name_len, mail_len;
	char        text[3 * UPN_MAX];           /* one behind the other */
};

struct known {
	struct store   *store;
	pthread_mutex_t locks[LOCKS];
	struct place    places[PLACES];
};

struct known *
known_open(struct store *store)
{
	struct known *known = calloc(1, sizeof(*known));

	MUST(known != NULL);
	known->store = store;
	for (size_t i = 0; i < LOCKS; i++)
		MUST(pthread_mutex_init(&known->locks[i], NULL) == 0);
	return known;
}

void
known_close(struct known **known)
{
	if (!*known)
		return;
	for (size_t i = 0; i < LOCKS; i++)
		MUST(pthread_mutex_destroy(&(*known)->locks[i]) == 0);
	free(*known);
	*known = NULL;
}

static size_t
place_of(const struct guid *id)
{
	uint64_t halves[2];

	memcpy(halves, id->b, sizeof(halves));
	return (size_t)((halves[0] ^ halves[1] * 31) * UINT64_C(0x9e3779b97f4a7c15) >> 32) % PLACES;
}

static void
read_place(const struct place *place, struct arena *arena, struct user *user_out)
{
	size_t     name_at = place->upn_len, mail_at = name_at + place->name_len;
	struct str text = arena_copy(arena, str_of(place->text, mail_at + place->mail_len));

	*user_out = (struct user){
		.tenant = place->tenant,
		.id = place->id,
		.upn = str_first(text, name_at),
		.display_name = str_first(str_skip(text, name_at), place->name_len),
		.mail = str_skip(text, mail_at),
	};
}

static void
append(struct place *place, size_t *at, struct str text, uint16_t *len_out)
{
	if (text.len > 0)
		memcpy(place->text + *at, text.at, text.len);
	*at += text.len;
	*len_out = (uint16_t)text.len;
}

static void
fill_place(struct place *place, const struct user *user, uint64_t notes)
{
	size_t at = 0;

	place->tenant = user->tenant;
	place->id = user->id;
	append(place, &at, user->upn, &place->upn_len);
	append(place, &at, user->display_name, &place->name_len);
	append(place, &at, user->mail, &place->mail_len);
	place->notes = notes;
	place->used = true;
}

enum err
known_find_owner(struct known *known, const struct guid *tenant, const struct guid *id, struct arena *arena,
                 struct user *user_out)
{
	/* Before the look: what is written in between makes what is kept out of date at once. */
	uint64_t         notes = store_notes_generation(known->store);
	size_t           at = place_of(id);
	struct place    *place = &known->places[at];
	pthread_mutex_t *lock = &known->locks[at % LOCKS];
	struct user      user;
	bool             found;

	MUST(pthread_mutex_lock(lock) == 0);
	found = place->used && place->notes == notes && guid_eq(&place->id, id) && guid_eq(&place->tenant, tenant);
	if (found)
		read_place(place, arena, user_out);
	MUST(pthread_mutex_unlock(lock) == 0);
	if (found)
		return OK;
	TRY(directory_find_owner(known->store, id, arena, &user));
	if (!guid_eq(&user.tenant, tenant))
		return ERR_NOT_FOUND;
	*user_out = user;
	MUST(pthread_mutex_lock(lock) == 0);
	fill_place(place, user_out, notes);
	MUST(pthread_mutex_unlock(lock) == 0);
	return OK;
}
