// SPDX-License-Identifier: Apache-2.0
// Two tools for OData services read what $metadata says: SAP's parser and OASIS's own converter.
import { parse } from "@sap-ux/edmx-parser";
import { xml2json } from "odata-csdl";

const { BASE } = process.env;

async function read(version) {
	const xml = await (await fetch(`${BASE}/${version}/$metadata`)).text();
	const parsed = parse(xml).schema;
	const messages = [];
	const schema = xml2json(xml, { messages })["microsoft.graph"];

	return {
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
