// Node.js: its http module for Server-Sent Events, and ws for WebSockets: node_server.js PORT. GET
// /publish?n=COUNT&bytes=BYTES writes so many messages to each client.
'use strict';
const fs = require('fs');
const { WebSocketServer } = require('ws');

const { TLS_CERT, TLS_KEY } = process.env;
const responses = new Set();
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });

function publish(count, bytes) {
  const text = 'x'.repeat(bytes - 1) + '!';
  for (let i = 0; i < count; ++i) {
    for (const response of responses) response.write(`data: ${text}\n\n`);
    for (const socket of sockets.clients) socket.send(text);
  }
}

function answer(request, response) {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/publish') {
    publish(Number(url.searchParams.get('n')), Number(url.searchParams.get('bytes')));
    response.end();
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  responses.add(response);
  response.on('close', () => responses.delete(response));
}

const server = TLS_CERT
  ? require('https').createServer({ cert: fs.readFileSync(TLS_CERT), key: fs.readFileSync(TLS_KEY) }, answer)
  : require('http').createServer(answer);
server.on('upgrade', (request, socket, head) => sockets.handleUpgrade(request, socket, head, () => {}));
server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
