// A partner that keeps a key for each of its users, on Node's own cryptography
// and fetch. It reads {url, client, privateKey, body}, opens a signed request
// with body and prints {status, id, answer}.
import { constants, createHash, sign } from 'node:crypto';
import { json } from 'node:stream/consumers';

const { url, client, privateKey, body } = await json(process.stdin);

async function openRequest(request) {
  const body = JSON.stringify(request);
  const hash = createHash('sha512').update(body).digest('hex');
  const signature = sign('sha512', Buffer.from(hash), {
    key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64,
  });
  return fetch(`${url}/auth/key/requests`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      'X-API-Key': client,
      'X-Request-Signature': signature.toString('base64'),
    },
    body,
  });
}

const response = await openRequest(body);
console.log(JSON.stringify({ status: response.status, id: response.headers.get('x-request-id'), answer: await response.json() }));
