/* SPDX-License-Identifier: Apache-2.0 */
/* notify — tells the service manager how we are (the protocol of sd_notify(3)); silent if none asked. */
#pragma once

void notify(const char *state); /* "READY=1", "STOPPING=1" */
