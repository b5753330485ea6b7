// A vendor's app on npm's jsonwebtoken. It reads a list of {claims, key,
// options} and prints the tokens that jsonwebtoken makes of them.
import { json } from 'node:stream/consumers';
import jwt from 'jsonwebtoken';

const asked = await json(process.stdin);
console.log(JSON.stringify(asked.map(({ claims, key, options }) => jwt.sign(claims, key, options))));
