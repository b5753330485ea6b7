// A client on npm's openid-client: discovery, token exchange, refresh,
// introspection, revocation, and a refresh that is refused. It reads
// {issuer, client, secret, token, scope} and prints what it got.
import { json } from 'node:stream/consumers';
import * as openid from 'openid-client';

const { issuer, client, secret, token, scope, algorithm } = await json(process.stdin);
const proof = secret ? openid.ClientSecretBasic(secret) : openid.None();
const config = await openid.discovery(new URL(issuer), client, undefined, proof, {
  algorithm, execute: [openid.allowInsecureRequests],
});

const exchanged = await openid.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:token-exchange', {
  subject_token: token, subject_token_type: 'urn:ietf:params:oauth:token-type:id_token', scope,
});
const refreshed = await openid.refreshTokenGrant(config, exchanged.refresh_token);
const introspect = async () => (secret ? openid.tokenIntrospection(config, refreshed.access_token) : undefined);
const before = await introspect();
await openid.tokenRevocation(config, refreshed.refresh_token);
const after = await introspect();

let refusal;
try {
  await openid.refreshTokenGrant(config, refreshed.refresh_token);
} catch (e) {
  if (!(e instanceof openid.ResponseBodyError)) throw e;
  refusal = { error: e.error, status: e.status, code: e.cause.code };
}
console.log(JSON.stringify({ exchanged, refreshed, before, after, refusal }));
