// An issuer: npm's oidc-provider on loopback, with its own login and consent
// pages, one public client, and an account for whoever logs in.
//
//   node issuer.mjs CLIENT_ID REDIRECT_URI
//
// It prints "listening URL" once it listens.
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

const [clientID, redirectURI] = process.argv.slice(2);
const { privateKey } = await generateKeyPair('RS256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), kid: crypto.randomUUID(), alg: 'RS256', use: 'sig' };

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: clientID,
      redirect_uris: [redirectURI],
      token_endpoint_auth_method: 'none',
      application_type: 'native', // may have an http redirect URI on loopback
    }],
    pkce: { required: () => true },
    jwks: { keys: [key] },
    cookies: { keys: [crypto.randomUUID()] },
    claims: { email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false, // e-mail in the ID token, as most providers have it
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: `${id} of oidc-provider`, email: `${id}@example.com`, email_verified: true }),
    }),
  });
  server.on('request', provider.callback());
  console.log(`listening ${issuer}`);
});
