/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/err.h"

struct digest {
	EVP_MD_CTX *ctx;
};

struct digest *
digest_open(void)
{
	struct digest *digest = handle_new(sizeof(*digest));

	digest->ctx = EVP_MD_CTX_new();
	MUST(digest->ctx && EVP_DigestInit_ex(digest->ctx, EVP_sha256(), NULL) == 1);
	return digest;
}

void
digest_put(struct digest *digest, const void *bytes, size_t len)
{
	MUST(EVP_DigestUpdate(digest->ctx, bytes, len) == 1);
}

void
digest_read(const struct digest *digest, uint8_t out[DIGEST_BYTES])
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	unsigned    len = 0;

	MUST(copy && EVP_MD_CTX_copy_ex(copy, digest->ctx) == 1);
	MUST(EVP_DigestFinal_ex(copy, out, &len) == 1 && len == DIGEST_BYTES);
	EVP_MD_CTX_free(copy);
}

void
digest_close(struct digest **digest)
{
	if (!*digest)
		return;
	EVP_MD_CTX_free((*digest)->ctx);
	free(*digest);
	*digest = NULL;
}
