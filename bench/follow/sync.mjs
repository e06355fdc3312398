// SPDX-License-Identifier: Apache-2.0
// What people write: Microsoft's SDK for the requests, better-sqlite3 in WAL mode, one transaction a page.
import { Client } from "@microsoft/microsoft-graph-client";
import Database from "better-sqlite3";
import "isomorphic-fetch";
import { readFileSync } from "node:fs";

const [url, tokenFile, path, size, idsFile] = process.argv.slice(2);
// With a file of ids, one feed after another: of each id in the place of {user}.
const urls = idsFile ? readFileSync(idsFile, "utf8").trim().split("\n").map((id) => url.replace("{user}", id)) : [url];
const token = readFileSync(tokenFile, "utf8").trim();
const host = new URL(urls[0]);
// The SDK takes a whole address for one only if it is https.
const plain = `http://${host.host}/v1.0`;
const client = Client.init({
	baseUrl: host.origin + "/",
	customHosts: new Set([host.hostname]),
	authProvider: (done) => done(null, token),
});
const db = new Database(path);
db.pragma("journal_mode = WAL");
db.exec("CREATE TABLE item(id TEXT PRIMARY KEY, body TEXT NOT NULL); CREATE TABLE member(id TEXT, member TEXT, PRIMARY KEY(id, member)) WITHOUT ROWID; CREATE TABLE cursor(url TEXT PRIMARY KEY, link TEXT)");
const put = db.prepare("INSERT OR REPLACE INTO item(id, body) VALUES(?, ?)");
const remove = db.prepare("DELETE FROM item WHERE id = ?");
const join = db.prepare("INSERT OR REPLACE INTO member(id, member) VALUES(?, ?)");
const leave = db.prepare("DELETE FROM member WHERE id = ? AND member = ?");
const save = db.prepare("INSERT OR REPLACE INTO cursor(url, link) VALUES(?, ?)");
const apply = db.transaction((url, page, link) => {
	for (const { "members@delta": members, ...item } of page.value) {
		if (item["@removed"]) remove.run(item.id);
		else if (!members || item.displayName) put.run(item.id, JSON.stringify(item));
		for (const member of members ?? [])
			(member["@removed"] ? leave : join).run(item.id, member.id);
	}
	save.run(url, link);
});
let items = 0;
const began = process.hrtime.bigint();
for (const first of urls)
	for (let link = first, next; ; link = next) {
		const page = await client.api(link.replace(plain, "")).header("Prefer", `odata.maxpagesize=${size}`).get();
		next = page["@odata.nextLink"] ?? page["@odata.deltaLink"];
		apply(first, page, next);
		items += page.value.reduce((sum, item) => sum + (item["members@delta"]?.length ?? 1), 0);
		if (!page["@odata.nextLink"]) break;
	}
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
console.log(JSON.stringify({ items, seconds, perSecond: Math.round(items / seconds), rssMiB: Math.round(process.resourceUsage().maxRSS / 1024) }));
