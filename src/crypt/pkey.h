/* SPDX-License-Identifier: Apache-2.0 */
/* pkey — what the files of the crypt module that hold OpenSSL's keys have in common.  Private to the module. */
#pragma once

#include <stdbool.h>

struct evp_pkey_st; /* OpenSSL's EVP_PKEY */

void pkey_close(struct evp_pkey_st **pkey);
bool pkey_is_p256(const struct evp_pkey_st *pkey);
