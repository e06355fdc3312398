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
	struct digest *digest = calloc(1, sizeof(*digest));

	MUST(digest);
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
digest_finish(struct digest *digest, uint8_t out[DIGEST_BYTES])
{
	unsigned len = 0;

	MUST(EVP_DigestFinal_ex(digest->ctx, out, &len) == 1 && len == DIGEST_BYTES);
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
