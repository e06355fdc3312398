// SPDX-License-Identifier: Apache-2.0
// The lines in docs/clients.md are run as they stand: what cannot be copied from there does not stand there.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Server } from "./server.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const page = readFileSync(path.join(here, "../../docs/clients.md"), "utf8");
const ANN = "33333333-0000-4000-8000-000000000001";
const lines = [
	{ op: "user", value: { id: ANN, userPrincipalName: "ann@contoso.com" } },
	...["Calendar", "Cinema", "Work"].map((name) => ({ op: "put", feed: `users/${ANN}/calendars`,
		value: { name, isDefaultCalendar: name === "Calendar" } })),
];
let server, env;

before(async () => {
	server = await Server.start(lines);
	env = server.env({ BASE: server.base, USER: ANN, NODE_EXTRA_CA_CERTS: server.ca, CURL_CA_BUNDLE: server.ca,
		SSL_CERT_FILE: server.ca, REQUESTS_CA_BUNDLE: server.ca,
		TOKEN: server.run(["token", "--user", "ann@contoso.com", "--scope", "Calendars.ReadWrite"]).trim() });
});

after(async () => {
	assert.equal(await server.stop(), 0);
});

function block(title) {
	const found = page.match(new RegExp(`^## ${title.replace(/[/.]/g, "\\$&")}\n[^]*?^\`\`\`\\w+\n([^]*?)^\`\`\``, "m"));

	assert.ok(found, `docs/clients.md has no block under "${title}"`);
	return found[1];
}

function run(program, args, input) {
	return execFileSync(program, args, { input, encoding: "utf8", cwd: here, env }).trim().split("\n");
}

const python = process.env.CLIENTS_PYTHON;
const programs = {
	"curl": ["/bin/sh", ["-eu"], "1"],
	"JavaScript: @microsoft/microsoft-graph-client": [process.execPath, ["--input-type=module", "-"], "true"],
	"TypeScript and JavaScript by Kiota: @microsoft/msgraph-sdk": [process.execPath, ["--input-type=module", "-"], "true"],
	"Python: msgraph-sdk": [python, ["-"]],
	"Python: O365": [python, ["-"]],
};

for (const [title, [program, args, last]] of Object.entries(programs))
	test(`the lines for ${title} work`, { skip: !program && "only with script/test --clients" }, () => {
		const printed = run(program, args, block(title));

		if (last)
			assert.equal(printed.pop(), last);
		assert.deepEqual(printed.sort(), ["Calendar", "Cinema", "Work"]);
	});
