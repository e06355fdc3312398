// SPDX-License-Identifier: Apache-2.0
// h2spec, the conformance suite for HTTP/2, over TLS and in the clear.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { Server } from "./server.mjs";

const h2spec = process.env.H2SPEC;
// libnghttp2 cannot tell a number that was skipped from one that was used and is closed, and passes over both.
// In the clear what does not begin as HTTP/2 is judged as HTTP/1.1, answered with 400 and closed.
const known = ["Sends stream identifier that is numerically smaller than previous", "Sends invalid connection preface"];

for (const [name, options, flags] of [["TLS", [], ["-t", "-k"]], ["prior knowledge", ["--tls", "off"], []]])
	test(`h2spec over ${name}`, { skip: !h2spec && "only with script/test --clients" }, async () => {
		const server = await Server.start([], options);
		const { port } = new URL(server.base);
		const { stdout } = spawnSync(h2spec, ["-h", "127.0.0.1", "-p", port, "-P", "/v1.0", "-o", "3", ...flags], { encoding: "utf8" });

		assert.equal(await server.stop(), 0);
		assert.match(stdout, /^145 tests, 14[345] passed/m);
		const failed = [...new Set([...stdout.matchAll(/× \d+: (.*)/g)].map((match) => match[1]))];
		assert.deepEqual(failed.filter((line) => !known.includes(line)), [], stdout);
	});
