/* SPDX-License-Identifier: Apache-2.0 */
/* follow_http — a source of pages over HTTP. */
#pragma once

#include "fetch/fetch.h"
#include "follow/follow_source.h"

struct follow_source follow_http_source(struct fetch *fetch);
