// An API: reads {tokens: [...]} and prints, for each token, its claims or the
// code of jose's error.
import { json } from 'node:stream/consumers';
import { verify } from './verify.mjs';

const { tokens } = await json(process.stdin);
const results = [];
for (const token of tokens) {
  results.push(await verify(token).then((claims) => ({ claims }), (e) => ({ error: e.code })));
}
console.log(JSON.stringify(results));
