// SPDX-License-Identifier: Apache-2.0
// What people write: Microsoft's SDK for the requests, better-sqlite3 in WAL mode, one transaction a page.
import { Client } from "@microsoft/microsoft-graph-client";
import Database from "better-sqlite3";
import "isomorphic-fetch";
import { readFileSync } from "node:fs";

const [url, tokenFile, path, size] = process.argv.slice(2);
const token = readFileSync(tokenFile, "utf8").trim();
const host = new URL(url);
const client = Client.init({
	baseUrl: host.origin + "/",
	customHosts: new Set([host.hostname]),
	authProvider: (done) => done(null, token),
});
const db = new Database(path);
db.pragma("journal_mode = WAL");
db.exec("CREATE TABLE item(id TEXT PRIMARY KEY, body TEXT NOT NULL); CREATE TABLE cursor(one INTEGER PRIMARY KEY, link TEXT)");
const put = db.prepare("INSERT OR REPLACE INTO item(id, body) VALUES(?, ?)");
const remove = db.prepare("DELETE FROM item WHERE id = ?");
const save = db.prepare("INSERT OR REPLACE INTO cursor(one, link) VALUES(1, ?)");
const apply = db.transaction((page, link) => {
	for (const item of page.value)
		if (item["@removed"]) remove.run(item.id);
		else put.run(item.id, JSON.stringify(item));
	save.run(link);
});
let link = url, items = 0;
const began = process.hrtime.bigint();
for (;;) {
	const page = await client.api(link).header("Prefer", `odata.maxpagesize=${size}`).get();
	const next = page["@odata.nextLink"] ?? page["@odata.deltaLink"];
	apply(page, next);
	items += page.value.length;
	if (!page["@odata.nextLink"]) break;
	link = next;
}
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
console.log(JSON.stringify({ items, seconds, perSecond: Math.round(items / seconds), rssMiB: Math.round(process.resourceUsage().maxRSS / 1024) }));
