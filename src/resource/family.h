/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family — the resources that the follower knows besides those that are served: directory, mail, drives, lists,
 * planner, chats.  Only the members "How it is followed" of their descriptors are filled.
 */
#pragma once

#include "base/str.h"

struct resource;

/* The first one after `family`; NULL begins and ends. */
const struct resource *family_next(const struct resource *family);
/* By the path of a followed URL.  Never NULL: the generic one if no other fits. */
const struct resource *family_of_url(struct str url);
