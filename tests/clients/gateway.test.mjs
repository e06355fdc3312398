// SPDX-License-Identifier: Apache-2.0
// The lines in docs/gateway.md are run as they stand: a source, a gateway that follows and serves it, and two SDKs that read the gateway.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { bin, Server } from "./server.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const page = readFileSync(path.join(here, "../../docs/gateway.md"), "utf8");
const blocks = [...page.matchAll(/^```(\w+)\n([^]*?)^```/gm)].map(([, language, text]) => ({ language, text }));
const [serve, prepare, conf, follow, variables, sdk, kiota] = blocks.map((one) => one.text);
let source, gateway, env;

// The page's lines name its stores and its ports; these servers have others.
function asHere(text) {
	return text.replaceAll("sqlite:source.db", source.store).replaceAll("source.db", `${source.folder}/t.db`).replaceAll("https://127.0.0.1:8443", source.base)
		.replaceAll("file:users.txt", `file:${source.folder}/users.txt`).replaceAll("= bearer\n", `= ${source.folder}/bearer\n`)
		.replaceAll("sqlite:gateway.db", gateway?.store).replaceAll("gateway.db", "t.db").replaceAll("https://127.0.0.1:9443", gateway?.base);
}

function inShell(text, cwd) {
	return execFileSync("/bin/sh", ["-eu"], { input: asHere(text), encoding: "utf8", cwd, env });
}

function runNode(text) {
	return execFileSync(process.execPath, ["--input-type=module", "-"], { input: text, encoding: "utf8", cwd: here, env }).trim().split("\n");
}

async function whenServed() {
	for (let left = 300; left > 0; left--) {
		try {
			return runNode(sdk);
		} catch (error) {
			if (left === 1)
				throw error;
			await new Promise((done) => setTimeout(done, 100));
		}
	}
}

before(async () => {
	assert.deepEqual(blocks.map((one) => one.language), ["sh", "sh", "ini", "sh", "sh", "js", "js"]);
	assert.equal(serve, "tidemark serve --sample --store sqlite:source.db\n");
	assert.equal(follow, "tidemark serve --follow --config gateway.conf --store sqlite:gateway.db --listen 127.0.0.1:9443\n");
	source = await Server.start([], ["--sample"]);
	mkdirSync(`${source.folder}/bin`);
	symlinkSync(bin, `${source.folder}/bin/tidemark`);
	env = source.env({ PATH: `${source.folder}/bin:${process.env.PATH}`, LC_ALL: "C.UTF-8" });
	inShell(prepare, source.folder);
	writeFileSync(`${source.folder}/gateway.conf`, asHere(conf));
	gateway = await Server.start([], ["--follow", "--config", `${source.folder}/gateway.conf`]);
	for (const line of inShell(`${variables}env`, gateway.folder).trim().split("\n"))
		env[line.slice(0, line.indexOf("="))] = line.slice(line.indexOf("=") + 1);
});

after(async () => {
	assert.equal(await gateway?.stop(), 0);
	assert.equal(await source?.stop(), 0);
});

test("two SDKs read from the gateway what the source has", async () => {
	for (const printed of [await whenServed(), runNode(kiota)]) {
		assert.equal(printed.pop(), "true");
		assert.deepEqual(printed.sort(), ["Birthdays", "Calendar"]);
	}
});

test("only links differ between the source and the gateway", async () => {
	const ask = async (server, token, url) => {
		const text = execFileSync("curl", ["-sSf", "--cacert", server.ca, "-H", `Authorization: Bearer ${token}`, url], { encoding: "utf8" });
		return JSON.parse(text);
	};
	const url = `/v1.0/users/${env.USER}/calendars/delta`;
	const there = await ask(source, readFileSync(`${source.folder}/bearer`, "utf8").trim(), source.base + url);
	const read = await ask(gateway, env.TOKEN, gateway.base + url);

	assert.deepEqual(Object.keys(read), Object.keys(there));
	assert.equal(read["@odata.context"], there["@odata.context"].replace(source.base, gateway.base));
	assert.deepEqual(read.value, there.value);
});
