// A client by npm's ws, to which NODE_PATH leads; see ../interop.py.
// Usage: node_ws.js URL plain|deflate|declined [ca.pem]
'use strict';
const fs = require('fs');
const WebSocket = require('ws');

const texts = ['', 'Grüße, 世界 🌍', '€'.repeat(50000)];
const sizes = [0, 1, 125, 126, 65535, 65536, 1 << 20];
const [url, mode, authority] = process.argv.slice(2);

function fail(text) {
  console.error(text);
  process.exit(1);
}

function shown(message) {
  return `${message.length} of ${typeof message === 'string' ? 'text' : 'bytes'}`;
}

function same(what, got, expected) {
  const equal = Buffer.isBuffer(expected) ? Buffer.isBuffer(got) && got.equals(expected) : got === expected;
  if (!equal) fail(`${what}: ${String(got).slice(0, 200)}, expected ${String(expected).slice(0, 200)}`);
}

let doing = 'the handshake';
setTimeout(() => fail(`${doing}: not over after 10 s`), 10000).unref();
const socket = new WebSocket(url, {
  perMessageDeflate: mode !== 'plain' && { threshold: 0 },
  ca: authority && fs.readFileSync(authority),
});
const next = (event) => new Promise((resolve) => socket.once(event, (...values) => resolve(values)));
socket.on('error', (error) => fail(`${doing}: ${error}`));

async function echo(what, expected, send) {
  doing = what;
  const coming = next('message');
  send();
  const [data, binary] = await coming;
  same(what, binary ? data : data.toString(), expected);
}

async function talk() {
  await next('open');
  same('compression is agreed', socket.extensions.startsWith('permessage-deflate'), mode === 'deflate');
  const bytes = sizes.map((size) => Buffer.from({ length: size }, (_, i) => (i * i) % 251));
  for (const message of [...texts, ...bytes]) {
    await echo(`echo of ${shown(message)}`, message, () => socket.send(message));
  }
  await echo('echo of a text in fragments', 'Fragments: 世界', () => {
    socket.send('Frag', { fin: false });
    socket.send('', { fin: false });
    socket.send('ments: 世界', { fin: true });
  });
  for (const payload of ['', 'ping', 'x'.repeat(125)]) {
    doing = `pong to ${payload.length} bytes`;
    const coming = next('pong');
    socket.ping(payload);
    same(doing, (await coming)[0].toString(), payload);
  }
  doing = 'closing';
  const closed = next('close');
  socket.close(4001, 'bye');
  const [code, reason] = await closed;
  same('the Close that came', `${code} ${reason}`, '4001 bye');
}

talk().then(() => process.exit(0));
