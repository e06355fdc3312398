/* SPDX-License-Identifier: Apache-2.0 */
/* permissions — docs/permissions.md and docs/properties.md, from the descriptors of the resources. */
#pragma once

#include "cli/console.h"

void permissions_page(struct out *out);
void properties_page(struct out *out);
/* Warns of each name in `grants` that is probably mistyped. */
void permissions_warn(struct str grants);
