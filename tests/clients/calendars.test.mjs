// SPDX-License-Identifier: Apache-2.0
// Microsoft's SDKs work with calendars unchanged, and OData tools can read what the server says of itself.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server } from "./server.mjs";

const ANN = "33333333-0000-4000-8000-000000000001";
const calendar = (name, more = {}) => ({ op: "put", feed: `users/${ANN}/calendars`, value: { name, ...more } });
const lines = [
	{ op: "user", value: { id: ANN, userPrincipalName: "ann@contoso.com", mail: "ann@contoso.com" } },
	calendar("Calendar", { isDefaultCalendar: true }), calendar("Cinema"), calendar("Birthdays"), calendar("Work"), calendar("Zoo"),
];
let server, env;

before(async () => {
	server = await Server.start(lines);
	env = { BASE: server.base, USER: ANN, TOKEN: server.run(["token", "--user", "ann@contoso.com", "--scope", "Calendars.ReadWrite"]).trim() };
});

after(async () => {
	assert.equal(await server.stop(), 0);
});

test("the JavaScript SDK: rounds by PageIterator, changes, GraphError, batch helpers", () => {
	assert.deepEqual(server.client("calendars.mjs", env), {
		first: ["Birthdays", "Calendar", "Cinema", "Work", "Zoo"],
		second: ["Renamed"],
		third: ["-gone"],
		filtered: [2, "Cinema", "Calendar"],
		taken: { graph: true, status: 409, code: "ErrorFolderExists", id: true },
		unknown: { graph: true, status: 400, code: "ErrorInvalidIdMalformed", id: true },
		top: { graph: true, status: 400, code: "ErrorInvalidUrlQuery", id: true },
		token: { graph: true, status: 400, code: "ErrorInvalidUrlQuery", id: true },
		batch: { list: 200, make: 201, twice: 409, never: 424 },
	});
});

test("the Kiota SDK: list, create, update, delete, and a round by its raw URL", () => {
	assert.deepEqual(server.client("calendars-kiota.mjs", env), {
		list: ["Birthdays", "Calendar"], count: 5, next: ["Cinema", "Work"],
		made: "Made by Kiota", owner: "ann@contoso.com", round: 6, changed: ["Renamed by Kiota"], one: "Renamed by Kiota",
		gone: [404, "ErrorItemNotFound"],
		taken: [409, "ErrorFolderExists"],
	});
});

test("SAP's tool, OASIS's and odata2ts read $metadata of both versions", () => {
	const { v1, beta } = server.client("metadata.mjs", env);

	assert.deepEqual(v1.types, ["calendar", "calendarGroup", "callRecording", "entity", "onlineMeeting", "singleValueLegacyExtendedProperty",
		"user"]);
	assert.deepEqual(v1.generated, v1.types.filter((name) => name !== "entity"));
	assert.deepEqual(v1.enums, ["calendarColor", "onlineMeetingProviderType", "teamworkUserIdentityType"]);
	assert.deepEqual(v1.bound, ["graph.calendar", "graph.callRecording"]);
	assert.deepEqual([v1.sets, v1.singletons], [["users"], ["me"]]);
	assert.deepEqual([v1.messages, beta.messages], [[], []]);
	assert.deepEqual(beta.calendar.filter((name) => !v1.calendar.includes(name)),
		["calendarGroupId", "groupClassId", "isShared", "isSharedWithMe"]);
	assert.deepEqual(v1.actions, ["delta", "delta", "getAllRecordings", "permanentDelete"]);
});
