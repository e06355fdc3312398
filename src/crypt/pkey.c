/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/pkey.h"

#include <openssl/evp.h>

#include "base/err.h"

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

BIO *
pkey_bio(struct str text)
{
	BIO *bio = BIO_new_mem_buf(text.len ? text.at : "", (int)text.len);

	MUST(bio != NULL);
	return bio;
}

void
pkey_bio_close(BIO **bio)
{
	BIO_free(*bio);
	*bio = NULL;
}
