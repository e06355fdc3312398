/* SPDX-License-Identifier: Apache-2.0 */
/* notify — reports to the service manager (the protocol of sd_notify(3)); does nothing if none asks for it. */
#pragma once

void notify(const char *state); /* "READY=1", "STOPPING=1" */
