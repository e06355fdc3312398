/* SPDX-License-Identifier: Apache-2.0 */
/* kv_names — names of the kv entries that more than one file of this module reads. Private to the auth module. */
#pragma once

#define KV_SETTING  "setting"
#define KV_TENANT   "tenant"
#define KV_CREATED  "created"
#define KV_SIGN_KEY "sign-key"
#define KV_CURRENT  "current"
