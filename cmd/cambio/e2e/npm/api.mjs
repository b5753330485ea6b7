// An API on npm's jose. It reads {sample, tokens}: sample is the README's code
// that verifies `token`. For each token it prints the claims, or the code of
// the error that the sample threw.
import { json } from 'node:stream/consumers';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const { sample, tokens } = await json(process.stdin);
const AsyncFunction = (async () => {}).constructor;
const verify = new AsyncFunction('createRemoteJWKSet', 'jwtVerify', 'token', `${sample}\nreturn payload;`);
const results = [];
for (const token of tokens) {
  results.push(await verify(createRemoteJWKSet, jwtVerify, token)
    .then((claims) => ({ claims }), (e) => ({ error: e.code ?? e.message })));
}
console.log(JSON.stringify(results));
