/* SPDX-License-Identifier: Apache-2.0 */
/* notes — names of the notes that more than one file of this room reads.  Private to the auth room. */
#pragma once

#define NOTE_SETTING  "setting"
#define NOTE_TENANT   "tenant"
#define NOTE_CREATED  "created"
#define NOTE_SIGN_KEY "sign-key"
#define NOTE_CURRENT  "current"
