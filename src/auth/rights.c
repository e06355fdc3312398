/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/auth.h"

const struct right_row *
right_row(enum right right)
{
	const struct right_row *row = NULL;

	for (const struct resource *const *resource = resources; *resource && !row; resource++)
		for (const struct right_row *at = (*resource)->rights; at && at->calls && !row; at++)
			row = at->right == right ? at : NULL;
	MUST(row != NULL);
	return row;
}

bool
caller_has(const struct caller *caller, const char *grant)
{
	return str_has_word(caller->grants, ' ', str_from_c(grant), str_eq_nocase);
}

enum err
caller_may_by(const struct caller *caller, const struct right_row *row, const struct guid *owner)
{
	const char *const *grants = caller->is_app ? row->application : row->delegated;

	if (!caller->is_app && !guid_eq(&caller->oid, owner))
		grants = row->everyone;
	for (; grants && *grants; grants++) {
		if (caller_has(caller, *grants) || strcmp(*grants, RIGHT_ANY) == 0)
			return OK;
	}
	return ERR_NOT_ALLOWED;
}

enum err
caller_may(const struct caller *caller, enum right right, const struct guid *owner)
{
	return caller_may_by(caller, right_row(right), owner);
}
