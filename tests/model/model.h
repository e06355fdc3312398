/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model — a store that is sorted tables on the heap: the laws run on it, and the engine of src/store must answer as
 * it does.
 */
#pragma once

#include "store/store.h"

/* The URL and the path of conf are not looked at.  Closed by store_close(). */
enum err model_open(const struct store_conf *conf, struct store **store_out) MUST_CHECK;
