/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/pkey.h"

#include <openssl/evp.h>

#include "base/str.h"

void
pkey_close(EVP_PKEY **pkey)
{
	EVP_PKEY_free(*pkey);
	*pkey = NULL;
}

bool
pkey_is_p256(const EVP_PKEY *pkey)
{
	char   group[32];
	size_t len = 0;

	return EVP_PKEY_is_a(pkey, "EC") == 1 && EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) == 1 &&
	       str_eq(str_of(group, len), STR("prime256v1"));
}
