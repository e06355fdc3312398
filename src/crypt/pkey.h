/* SPDX-License-Identifier: Apache-2.0 */
/* pkey — what the files of the crypt module that hold OpenSSL's keys have in common.  Private to the module. */
#pragma once

#include "base/str.h"

struct evp_pkey_st; /* OpenSSL's EVP_PKEY */
struct bio_st;      /* OpenSSL's BIO */

void pkey_close(struct evp_pkey_st **pkey);
bool pkey_is_p256(const struct evp_pkey_st *pkey);

struct bio_st *pkey_bio(struct str text); /* reads the text, which must stay */
void           pkey_bio_close(struct bio_st **bio);
