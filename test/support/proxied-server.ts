import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { gzipSync } from 'node:zlib';
import { WebSocketServer } from 'ws';

/**
 * What a test finds behind a proxy: HTTP on all addresses at 8080, TLS at 8443, HTTP on the loopback alone at 8081. It is run in a pod's network
 * by the test, with the certificate and its key as JSON in the first argument, and says `ready`.
 */
const { certificate, key } = JSON.parse(process.argv[2] ?? '{}') as { certificate: string; key: string };

const page = '<html><a href="/next">next</a> <a href="beside">beside</a> <img src="//example.com/x.png"></html>';

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://pod');
  switch (pathname) {
    case '/tell': {
      const hash = createHash('sha1');
      let length = 0;
      for await (const data of request) {
        hash.update(data as Buffer);
        length += (data as Buffer).length;
      }
      const { method, url, headers } = request;
      const told = { method, url, headers, length, sha1: hash.digest('hex') };
      response.writeHead(200, {
        'Content-Type': 'application/json',
        'X-Method': method ?? '',
        'Set-Cookie': ['a=1', 'b=2'],
      });
      response.end(JSON.stringify(told));
      return;
    }
    case '/echo':
      // Each piece goes back as it comes.
      response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
      response.flushHeaders();
      request.pipe(response);
      return;
    case '/page':
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page);
      return;
    case '/packed-page':
      response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Encoding': 'gzip' }).end(gzipSync(page));
      return;
    case '/away':
      response.writeHead(302, { Location: `http://${request.socket.localAddress}:8080/next?q=1` }).end();
      return;
    case '/trailers':
      response.writeHead(200, { Trailer: 'X-Sum' });
      response.write('body');
      response.addTrailers({ 'X-Sum': '4' });
      response.end();
      return;
    case '/teapot':
      response.writeHead(418, { 'X-Kind': 'teapot' }).end('short and stout');
      return;
    case '/cut':
      response.writeHead(200, { 'Content-Length': 100 }).write('half', () => request.socket.destroy());
      return;
    case '/gone':
      request.socket.destroy();
      return;
    default:
      response.writeHead(404).end();
  }
}

const serve = (request: IncomingMessage, response: ServerResponse): void => {
  answer(request, response).catch(() => response.destroy());
};
const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] ?? false });
const plain = createServer(serve);
plain.on('upgrade', (request, socket, head) => {
  if (request.url !== '/socket') return void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nno way');
  sockets.handleUpgrade(request, socket, head, (client) => {
    client.send(JSON.stringify(request.headers));
    client.on('message', (data, binary) => client.send(data, { binary }));
  });
});
const listening = (
  server: { listen(port: number, host: string, done: () => void): void },
  port: number,
  host: string,
) => new Promise<void>((resolve) => server.listen(port, host, resolve));
await Promise.all([
  listening(plain, 8080, '0.0.0.0'),
  listening(createTlsServer({ cert: certificate, key }, serve), 8443, '0.0.0.0'),
  listening(createServer(serve), 8081, '127.0.0.1'),
]);
process.stdout.write('ready\n');
