// A backend with a login of its own, at which u-1 is logged in. It runs one of
// the README's samples, in a file: "express" the one for Express, "next" the
// one for a Next.js API route, which is called as Next.js calls it, by a plain
// server.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import express from 'express';

const [kind, file] = process.argv.slice(2);
const sample = await readFile(file, 'utf8');
const user = { id: 'u-1', email: 'u1@shop.example.com', name: 'Ümit "One"' };

function onExpress() {
  const app = express();
  app.use((req, res, next) => { req.user = user; next(); });
  new Function('app', sample)(app);
  return createServer(app);
}

async function onNext() {
  globalThis.currentUser = async (req) => (req.headers.cookie === 'none' ? null : user);
  const { default: handler } = await import(`data:text/javascript,${encodeURIComponent(sample)}`);
  return createServer((req, res) => {
    res.status = (code) => { res.statusCode = code; return res; };
    res.json = (body) => {
      res.setHeader('Content-Type', 'application/json; charset=utf-8');
      res.end(JSON.stringify(body));
    };
    return handler(req, res);
  });
}

const server = kind === 'express' ? onExpress() : await onNext();
server.listen(0, '127.0.0.1', () => console.log(`listening http://127.0.0.1:${server.address().port}`));
