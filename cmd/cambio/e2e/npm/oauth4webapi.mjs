// A client on npm's oauth4webapi: metadata, token exchange, refresh,
// introspection, revocation, and a refresh that is refused. It reads
// {issuer, client, secret, token, scope} and prints what it got.
import { json } from 'node:stream/consumers';
import * as oauth from 'oauth4webapi';

const { issuer, client: client_id, secret, token, scope, algorithm } = await json(process.stdin);
const url = new URL(issuer);
const options = { [oauth.allowInsecureRequests]: true };
const client = { client_id };
const proof = secret ? oauth.ClientSecretBasic(secret) : oauth.None();

const metadata = {};
for (const algorithm of ['oidc', 'oauth2']) {
  const response = await oauth.discoveryRequest(url, { algorithm, ...options });
  metadata[algorithm] = await oauth.processDiscoveryResponse(url, response);
}
const as = metadata[algorithm];

const exchanged = await oauth.processGenericTokenEndpointResponse(as, client,
  await oauth.genericTokenEndpointRequest(as, client, proof, 'urn:ietf:params:oauth:grant-type:token-exchange', {
    subject_token: token, subject_token_type: 'urn:ietf:params:oauth:token-type:id_token', scope,
  }, options));
const refreshed = await oauth.processRefreshTokenResponse(as, client,
  await oauth.refreshTokenGrantRequest(as, client, proof, exchanged.refresh_token, options));

async function introspect() {
  if (!secret) return undefined; // a public client may not
  return oauth.processIntrospectionResponse(as, client,
    await oauth.introspectionRequest(as, client, proof, refreshed.access_token, options));
}
const before = await introspect();
await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, proof, refreshed.refresh_token, options));
const after = await introspect();

let refusal;
try {
  await oauth.processRefreshTokenResponse(as, client,
    await oauth.refreshTokenGrantRequest(as, client, proof, refreshed.refresh_token, options));
} catch (e) {
  if (!(e instanceof oauth.ResponseBodyError)) throw e;
  refusal = { error: e.error, status: e.status, code: e.cause.code };
}
console.log(JSON.stringify({ exchanged, refreshed, before, after, refusal }));
