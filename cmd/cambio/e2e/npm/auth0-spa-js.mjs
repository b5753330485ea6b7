// A page on npm's auth0-spa-js: a token exchange, and a silent refresh. It runs in
// Node with the few globals of a page that the library touches, and checks the ID
// tokens itself: iss with a slash, RS256, aud. It reads
// {url, client, audience, scope, origin, token} and prints what it got.
import { json } from 'node:stream/consumers';

const { url, client, audience, scope, origin, token } = await json(process.stdin);
const storage = new Map();
const session = {
  getItem: (k) => storage.get(k) ?? null, setItem: (k, v) => storage.set(k, v), removeItem: (k) => storage.delete(k),
};
globalThis.location = { origin, protocol: 'http:', href: origin, host: new URL(origin).host };
globalThis.window = Object.assign(globalThis, {
  localStorage: session, sessionStorage: session, addEventListener() {}, removeEventListener() {},
});
globalThis.document = { cookie: '' };
const headers = [];
const { fetch } = globalThis;
globalThis.fetch = (to, init) => {
  headers.push(...Object.keys(init.headers));
  return fetch(to, { ...init, headers: { ...init.headers, Origin: origin } });
};

const { Auth0Client } = await import('@auth0/auth0-spa-js');
const auth0 = new Auth0Client({
  domain: url, clientId: client, useRefreshTokens: true, cacheLocation: 'memory', authorizationParams: { audience, scope },
});
const exchanged = await auth0.exchangeToken({
  subject_token: token, subject_token_type: 'urn:ietf:params:oauth:token-type:id_token', audience, scope,
});
const user = await auth0.getUser();
const refreshed = await auth0.getTokenSilently({ cacheMode: 'off', detailedResponse: true });
console.log(JSON.stringify({ exchanged, refreshed, user, headers }));
