// SPDX-License-Identifier: Apache-2.0
// The lines in docs/clients.md are run as they stand: what cannot be copied from there does not stand there.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { bin, Server } from "./server.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const page = readFileSync(path.join(here, "../../docs/clients.md"), "utf8");
const signing = readFileSync(path.join(here, "../../docs/sign-in.md"), "utf8");
const SERVE = "tidemark serve --sample --store sqlite:sample.db\n";
const { CLIENTS_PYTHON: python, CLIENTS_GO: go, CLIENTS_JAVA: java } = process.env;
let server, env;

function blocks(title, language) {
	const part = page.split(`\n## ${title}\n`)[1];

	assert.ok(part, `docs/clients.md has no part "${title}"`);
	return [...part.split("\n## ")[0].matchAll(/^```(\w+)\n([^]*?)^```/gm)].filter((one) => one[1] === language).map((one) => one[2]);
}

function run(program, args, input, more = {}) {
	return execFileSync(program, args, { input, encoding: "utf8", cwd: here, env, ...more });
}

// The server's lines name its store and its port; this server has others.
function inShell(lines, cwd = server.folder) {
	return run("/bin/sh", ["-eu"], lines.replaceAll("sqlite:sample.db", server.store).replaceAll("sample.db", "t.db")
		.replace("https://127.0.0.1:8443", server.base), { cwd });
}

before(async () => {
	const [serve, variables, client] = blocks("A server to try", "sh");

	assert.equal(serve, SERVE);
	server = await Server.start([], ["--sample"]);
	mkdirSync(`${server.folder}/bin`);
	symlinkSync(bin, `${server.folder}/bin/tidemark`);
	env = server.env({ PATH: `${server.folder}/bin:${process.env.PATH}`, LC_ALL: "C.UTF-8" });
	for (const line of inShell(`${variables}env`).trim().split("\n"))
		env[line.slice(0, line.indexOf("="))] = line.slice(line.indexOf("=") + 1);
	const [id, secret, tenant] = [...inShell(client).matchAll(/^(?:client id|client secret|tenant id) +(\S+)$/gm)].map((one) => one[1]);
	Object.assign(env, { CLIENT_ID: id, CLIENT_SECRET: secret, TENANT: tenant });
});

after(async () => {
	assert.equal(await server.stop(), 0);
});

// Of a Go program the modules of programs/go are built, so nothing is fetched twice.
function runGo(text) {
	const folder = `${server.folder}/go`;

	mkdirSync(folder);
	for (const name of ["go.mod", "go.sum"])
		copyFileSync(`${here}/programs/go/${name}`, `${folder}/${name}`);
	writeFileSync(`${folder}/main.go`, text);
	return run("go", ["run", "-p", "1", "."], "", { cwd: folder, env: { ...env, GOFLAGS: "-mod=mod", GOPATH: goPath(),
		GOCACHE: path.join(here, "../../build/clients-go/cache") } });
}

function goPath() {
	return execFileSync("go", ["env", "GOPATH"], { encoding: "utf8" }).trim();
}

function runJava(text) {
	inShell(blocks("Java: microsoft-graph", "sh").join(""));
	writeFileSync(`${server.folder}/Calendars.java`, text);
	return run("java", ["-cp", java, "-Djavax.net.ssl.trustStore=trust.p12", "-Djavax.net.ssl.trustStorePassword=changeit",
		"Calendars.java"], "", { cwd: server.folder });
}

function runNode(text) {
	return run(process.execPath, ["--input-type=module", "-"], text);
}

function runPython(text) {
	return run(python, ["-"], text);
}

const clients = {
	"curl": ["sh", (text) => inShell(text), "1"],
	"JavaScript: @microsoft/microsoft-graph-client": ["js", runNode, "true"],
	"TypeScript and JavaScript by Kiota: @microsoft/msgraph-sdk": ["js", runNode, "true"],
	"Python: msgraph-sdk": ["python", python && runPython],
	"Python: O365": ["python", python && runPython],
	"Python: MSAL": ["python", python && runPython],
	"Java: microsoft-graph": ["java", java && runJava],
	"Go: msgraph-sdk-go": ["go", go && runGo],
};

for (const [title, [language, runner, last]] of Object.entries(clients))
	test(`the lines for ${title} work`, { skip: !runner && "only with script/test --clients" }, () => {
		const printed = runner(blocks(title, language).at(-1)).trim().split("\n");

		if (last)
			assert.equal(printed.pop(), last);
		assert.deepEqual(printed.sort(), ["Birthdays", "Calendar"]);
	});

test("each part with a program is run", () => {
	const shown = [...page.matchAll(/^## (.+)\n[^]*?(?=^## |$(?![^]))/gm)].filter(([text]) => /^```/m.test(text)).map((one) => one[1]);

	assert.deepEqual(shown.sort(), ["A server to try", ...Object.keys(clients)].sort());
});

// The blocks of docs/sign-in.md use names that its text introduces; its address and its tenant are this server's here.
test("the lines of docs/sign-in.md for MSAL, azure-identity and the Graph client work", () => {
	const part = signing.split("\n### MSAL and azure-identity\n")[1].split("\n## ")[0];
	const [msal, identity, graph] = [...part.matchAll(/^```js\n([^]*?)^```/gm)].map((one) => one[1].replaceAll("https://127.0.0.1:8443", server.base)
		.replaceAll("127.0.0.1:8443", server.host).replaceAll("8a050583-5009-4f2a-8835-aed514826a0e", env.TENANT));
	const printed = runNode(`
		import { ConfidentialClientApplication } from "@azure/msal-node";
		import { ClientSecretCredential } from "@azure/identity";
		import { Client } from "@microsoft/microsoft-graph-client";
		import { TokenCredentialAuthenticationProvider } from "@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js";
		const { CLIENT_ID: clientId, CLIENT_SECRET: clientSecret, TENANT: tenantId, USER, BASE } = process.env;
		${msal}
		const answer = await Client.init({ baseUrl: BASE, customHosts: new Set(["127.0.0.1"]), authProvider: (done) => done(null, accessToken) })
			.api("/users/" + USER + "/calendars").get();
		console.log(answer.value.length);
		${identity}
		${graph}
		console.log((await graph.api("/users/" + USER + "/calendars").get()).value.length);`);

	assert.deepEqual(printed.trim().split("\n"), ["2", "2"]);
});

// Installing is left to script/test --clients, which takes the same versions from these files.
test("the lines that install name the versions that are tried", () => {
	const files = ["package.json", "requirements.txt", "programs/go/go.mod", "programs/java/pom.xml"]
		.map((name) => readFileSync(`${here}/${name}`, "utf8")).join("\n");
	const npm = [...page.matchAll(/^npm install (.+)$/gm)].flatMap((one) => one[1].split(" "));
	const pip = [...page.matchAll(/^pip install (.+)$/gm)].flatMap((one) => one[1].split(" "));
	const gets = [...page.matchAll(/^go get (.+)$/gm)].flatMap((one) => one[1].split(" "));
	const maven = [...page.matchAll(/`([\w.]+):([\w-]+):([\d.]+)`/g)];

	assert.ok(npm.length >= 4 && pip.length >= 5 && gets.length >= 2 && maven.length >= 2);
	for (const one of npm)
		assert.ok(files.includes(`"${one.slice(0, one.lastIndexOf("@"))}": "${one.slice(one.lastIndexOf("@") + 1)}"`), one);
	for (const one of pip)
		assert.ok(files.split("\n").includes(one), one);
	for (const one of gets)
		assert.ok(files.includes(one.replace("@", " ")), one);
	for (const [, group, name, version] of maven)
		assert.match(files, new RegExp(`<groupId>${group}</groupId>\\s*<artifactId>${name}</artifactId>\\s*<version>${version}</version>`));
});
