/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_bodies — checks that the stored bodies are valid for their resource. It is the part of `store check` that the
 * store cannot do, because the store knows only bytes.
 */
#pragma once

#include "store/store.h"

/* Calls found() for each damaged body, with feed and item. Reads page by page, so no snapshot is held long. */
enum err check_bodies(struct store *store, store_fault_fn *found, void *ctx) MUST_CHECK;
