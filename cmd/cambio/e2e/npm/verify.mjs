// Verifies an access token as an API in Node does, with npm's jose.
import { createRemoteJWKSet, jwtVerify } from 'jose';

const issuer = process.env.ISSUER, audience = process.env.AUDIENCE;
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
export async function verify(accessToken) {
  const { payload } = await jwtVerify(accessToken, keys, { issuer, audience, typ: 'at+jwt' });
  return payload; // sub is the user, scope what the token may do
}
