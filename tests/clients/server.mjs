// SPDX-License-Identifier: Apache-2.0
// The real program for a test: a store of its own, a server on a free port, commands, and child programs that trust its CA.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
export const bin = process.env.TIDEMARK_BIN ?? path.join(here, "../../build/release/tidemark");

export class Server {
	static async start(lines = [], options = []) {
		const server = new Server();
		server.folder = mkdtempSync(path.join(tmpdir(), "tm-"));
		server.store = `sqlite:${server.folder}/t.db`;
		if (lines.length)
			server.run(["import", "-"], lines.map((line) => JSON.stringify(line) + "\n").join(""));
		server.process = spawn(bin, ["serve", "--store", server.store, "--listen", "127.0.0.1:0", ...options],
			{ stdio: ["ignore", "ignore", "pipe"], env: server.env() });
		server.log = "";
		await new Promise((ready, failed) => {
			server.process.stderr.setEncoding("utf8");
			server.process.stderr.on("data", (text) => {
				server.log += text;
				const at = server.log.match(/^listening on (\S+)$/m);
				if (at) {
					server.base = at[1];
					ready();
				}
			});
			server.process.on("exit", (code) => failed(new Error(`serve ended with ${code}: ${server.log}`)));
		});
		server.host = new URL(server.base).host;
		server.ca = `${server.folder}/t.db.tls/ca.pem`;
		return server;
	}

	env(more = {}) {
		return { PATH: process.env.PATH, HOME: this.folder, ...more };
	}

	run(args, input = "") {
		return execFileSync(bin, [...args, "--store", this.store], { input, encoding: "utf8", env: this.env() });
	}

	addClient(...roles) {
		return JSON.parse(this.run(["client", "add", "--json", ...roles.flatMap((role) => ["--role", role])]));
	}

	// A program that knows nothing but its environment; gives what it printed, as JSON.
	client(name, env) {
		const printed = execFileSync(process.execPath, [path.join(here, "programs", name)],
			{ encoding: "utf8", env: this.env({ NODE_EXTRA_CA_CERTS: this.ca, ...env }) });
		return JSON.parse(printed);
	}

	async stop() {
		const ended = new Promise((done) => this.process.removeAllListeners("exit").on("exit", done));
		this.process.kill("SIGTERM");
		const code = await ended;
		rmSync(this.folder, { recursive: true, force: true });
		return code;
	}
}

