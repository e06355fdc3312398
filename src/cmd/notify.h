/* SPDX-License-Identifier: Apache-2.0 */
/* notify — tells the service manager how we are (the datagram protocol of sd_notify(3)); says nothing if none asked. */
#pragma once

void notify(const char *state);          /* "READY=1", "STOPPING=1" */
