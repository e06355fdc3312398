// SPDX-License-Identifier: Apache-2.0
// Tools for OData services read what $metadata says: SAP's parser, OASIS's own converter, and odata2ts.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parse } from "@sap-ux/edmx-parser";
import { xml2json } from "odata-csdl";

const { BASE } = process.env;

const tool = join(dirname(createRequire(import.meta.url).resolve("@odata2ts/odata2ts/package.json")), "lib/run-cli.js");

// The names of the entities in the models that odata2ts writes.
function generate(xml) {
	const folder = mkdtempSync(join(tmpdir(), "tm-odata2ts-"));

	try {
		writeFileSync(join(folder, "metadata.xml"), xml);
		writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { target: "ES2022", strict: true } }));
		execFileSync(process.execPath, [tool, "-s", "metadata.xml", "-o", "out", "-m", "models", "-e", "ts"], { cwd: folder });
		const text = readFileSync(join(folder, "out", "MicrosoftGraphModel.ts"), "utf8");

		return [...text.matchAll(/interface (\w+) extends entity/g)].map((one) => one[1]).sort();
	} finally {
		rmSync(folder, { recursive: true });
	}
}

async function read(version) {
	const xml = await (await fetch(`${BASE}/${version}/$metadata`)).text();
	const parsed = parse(xml).schema;
	const messages = [];
	const schema = xml2json(xml, { messages })["microsoft.graph"];

	return {
		generated: generate(xml),
		types: parsed.entityTypes.map((type) => type.name).sort(),
		calendar: parsed.entityTypes.find((type) => type.name === "calendar").entityProperties.map((one) => one.name).sort(),
		enums: parsed.enumTypes.map((type) => type.name).sort(),
		actions: parsed.actions.map((one) => one.name).sort(),
		sets: parsed.entitySets.map((one) => one.name),
		singletons: parsed.singletons.map((one) => one.name),
		bound: schema.delta.map((one) => one.$Parameter[0].$Type).sort(),
		messages: messages.filter((one) => one.message),
	};
}

console.log(JSON.stringify({ v1: await read("v1.0"), beta: await read("beta") }));
