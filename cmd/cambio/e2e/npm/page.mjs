// A page at an origin that runs the README's sample of one. It reads {sample,
// origin, backend}, refreshes twice, and prints the sessions that it had. Its
// fetch is a browser's: what goes to another origin has a preflight and an
// Origin, and is only read if the answer is shared (Fetch Standard §4.8, §4.10).
import { json } from 'node:stream/consumers';

const { sample, origin, backend } = await json(process.stdin);

async function cross(url, init) {
  const names = Object.keys(init.headers ?? {}).map((n) => n.toLowerCase()).sort();
  const asked = { Origin: origin, 'Access-Control-Request-Method': init.method, 'Access-Control-Request-Headers': names.join(',') };
  const allowed = await fetch(url, { method: 'OPTIONS', headers: asked });
  const headers = (allowed.headers.get('Access-Control-Allow-Headers') ?? '').split(',');
  if (!allowed.ok || allowed.headers.get('Access-Control-Allow-Origin') !== origin || names.some((n) => !headers.includes(n))) {
    throw new TypeError('Failed to fetch');
  }
  const answer = await fetch(url, { ...init, headers: { ...init.headers, Origin: origin, 'Sec-Fetch-Site': 'cross-site' } });
  if (answer.headers.get('Access-Control-Allow-Origin') !== origin) throw new TypeError('Failed to fetch');
  return answer;
}

const browser = (url, init) => (url.startsWith('/') ? fetch(backend + url, init) : cross(url, init));
const AsyncFunction = (async () => {}).constructor;
const run = new AsyncFunction('fetch', `${sample}
const sessions = [session];
for (let i = 0; i < 2; i++) { await refresh(); sessions.push(session); }
return sessions;`);
console.log(JSON.stringify(await run(browser).catch((e) => ({ error: e.message }))));
