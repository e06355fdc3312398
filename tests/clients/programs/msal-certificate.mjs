// SPDX-License-Identifier: Apache-2.0
// @azure/msal-node with a certificate instead of a secret; only the configuration names another server.
import { ConfidentialClientApplication } from "@azure/msal-node";
import { readFileSync } from "node:fs";

const { BASE, TENANT, CLIENT_ID, CERTIFICATE, THUMBPRINT } = process.env;
const app = new ConfidentialClientApplication({
	auth: {
		clientId: CLIENT_ID,
		clientCertificate: {
			thumbprintSha256: THUMBPRINT,
			privateKey: readFileSync(CERTIFICATE, "utf8").match(/-----BEGIN PRIVATE KEY-----[^]*/)[0],
		},
		authority: `${BASE}/${TENANT}`,
		knownAuthorities: [new URL(BASE).host],
	},
});

try {
	const scopes = ["https://graph.microsoft.com/.default"];
	const first = await app.acquireTokenByClientCredential({ scopes });
	const again = await app.acquireTokenByClientCredential({ scopes });
	// The library keeps its assertion, and sends the same once more.
	await app.acquireTokenByClientCredential({ scopes, skipCache: true });

	console.log(JSON.stringify({ token: first.accessToken, fromCache: again.fromCache }));
} catch (error) {
	console.log(JSON.stringify({ error: error.errorCode ?? error.name, message: error.message }));
}
