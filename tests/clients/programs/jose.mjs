// SPDX-License-Identifier: Apache-2.0
// A resource server of somebody else: checks a token of the store's issuer by its discovery document and its keys.
import { createRemoteJWKSet, jwtVerify } from "jose";
import https from "node:https";

const { BASE, TENANT, TOKEN } = process.env;

function get(url) {
	return new Promise((done, failed) => https.get(url, (response) => {
		let text = "";
		response.on("data", (piece) => (text += piece)).on("end", () => done(JSON.parse(text)));
	}).on("error", failed));
}

const discovery = await get(`${BASE}/${TENANT}/.well-known/openid-configuration`);
try {
	const { payload, protectedHeader } = await jwtVerify(TOKEN, createRemoteJWKSet(new URL(discovery.jwks_uri)),
		{ issuer: discovery.issuer, audience: "https://graph.microsoft.com", algorithms: ["ES256"] });

	console.log(JSON.stringify({ payload, header: protectedHeader }));
} catch (error) {
	console.log(JSON.stringify({ error: error.code }));
}
