/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_bodies — are the stored bodies what the face would write?  The store room knows only bytes;
 * this is the half of `store check` that knows calendars and recordings.
 */
#pragma once

#include "store/store.h"

/* found() once per damaged body, naming feed and item. In pages, so no snapshot is held long. */
enum err check_bodies(struct store *store, store_fault_fn *found, void *ctx) MUST_CHECK;
