// SPDX-License-Identifier: Apache-2.0
// DuckDB reads a store as docs/sql.md says: every view and every query give there what they give in SQLite.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { bin } from "./server.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const page = path.join(here, "../../docs/sql.md");
const { CLIENTS_DUCKDB: python } = process.env;
const run = promisify(execFile);
const folder = { driveId: "b", id: "R" };
const people = [{ id: "u1" }, { id: "u2" }];
// An item of every type, and what the queries of the page ask for.
const types = ["calendar", "calendarGroup", "callRecording", "user", "group", "directoryRole", "administrativeUnit", "application",
	"servicePrincipal", "device", "orgContact", "message", "mailFolder", "contactFolder", "contact", "event", "todoTaskList", "todoTask",
	"plannerTask", "site", "list", "listItem", "driveItem", "chatMessage", "callTranscript"];
const rounds = {
	"/v1.0/anything/delta": types.map((type) => ({ "@odata.type": `#microsoft.graph.${type}`, id: type, name: `a ${type}`, fields: { a: 1, b: "x" },
		displayName: 'say "é"', isRead: false, isAllDay: true, accountEnabled: true, canEdit: true, isDefaultCalendar: false, totalItemCount: 10,
		groupTypes: ["Unified"], toRecipients: people.map(({ id }) => ({ emailAddress: { address: `${id}@contoso.com` } })), percentComplete: 50,
		assignments: { u1: {}, u2: {} }, emailAddresses: [{ address: "x@contoso.com" }], "@odata.etag": "W/1" })),
	"/v1.0/groups/delta": [{ id: "g1", displayName: "Crew", "members@delta": people, "owners@delta": people.slice(1) },
		{ id: "g2", displayName: "Alone", "members@delta": [{ "@odata.type": "#microsoft.graph.user", id: "u1" }] }],
	"/v1.0/users/delta": [{ id: "u1", displayName: "Ann" }, { id: "u2", displayName: "Bob" }],
	"/v1.0/me/drive/root/delta": [{ id: "R", name: "root", root: {}, folder: {} }, { id: "D", name: "docs", folder: {}, parentReference: folder },
		...[9, 10, 1e12].map((size) => ({ id: `f${size}`, name: `${size}.txt`, size, file: { mimeType: "text/plain" },
			parentReference: { driveId: "b", id: "D" } }))],
};
const later = [{ id: "u1", displayName: "Ann now" }, { id: "u2", "@removed": { reason: "deleted" } }, { id: "u3", displayName: "Eve" }];

test("DuckDB reads every view and runs the queries of docs/sql.md", { skip: !python && "only with script/test --clients" }, async () => {
	const home = mkdtempSync(path.join(tmpdir(), "duckdb-"));
	const feeds = createServer((request, response) => {
		const { origin, pathname, search } = new URL(request.url, `http://${request.headers.host}`);

		response.setHeader("Content-Type", "application/json");
		response.end(JSON.stringify({ value: search.includes("token=1") ? later : rounds[pathname],
			"@odata.deltaLink": `${origin}${pathname}?$deltatoken=${search.includes("token=1") ? 2 : 1}` }));
	});

	await new Promise((done) => feeds.listen(0, "127.0.0.1", done));
	try {
		const store = path.join(home, "t.db");
		const sync = (where) => run(bin, ["sync", `http://127.0.0.1:${feeds.address().port}${where}`, "--store", `sqlite:${store}`],
			{ env: { PATH: process.env.PATH, HOME: home, XDG_CONFIG_HOME: home } });

		for (const where of [...Object.keys(rounds), "/v1.0/users/delta"])
			await sync(where);
		const { stdout } = await run(python, [path.join(here, "programs/duckdb_store.py"), store, page]);
		const queries = readFileSync(page, "utf8").match(/^```sql$/gm).length;

		assert.equal(stdout, `29 views, ${queries - 3} queries, 3 by sqlite_query\n`);
	} finally {
		feeds.close();
		rmSync(home, { recursive: true });
	}
});
