import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { badInput, ErrorCode } from '../common/errors.js';
import type { Connections, TrackedRequest } from './connections.js';

/** What Node rejects before there is a request, by its error's code. */
const PROBLEMS: Readonly<Record<string, [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request took too long to arrive'],
  HPE_HEADER_OVERFLOW: [431, 'The URL and the headers are larger than 16 KB together'],
  CONNECT: [405, 'This server is no proxy: CONNECT is not supported'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The extensions of a chunk are too large'],
};

const JSON_TYPE = 'application/json; charset=utf-8';
const bodyOf = (message: string) => JSON.stringify({ error: { code: ErrorCode.BAD_USER_INPUT, message } });

/**
 * What Node takes although proxies may understand it in another way.
 * @throws BAD_USER_INPUT
 */
export function checkHeaders({ headers, rawHeaders, httpVersion }: IncomingMessage): void {
  const hosts = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length;
  if (hosts > 1) throw badInput('Host', 'the header is there more than once');
  if (hosts === 0 && httpVersion !== '1.0') throw badInput('Host', 'the header is missing');
  if ((headers['transfer-encoding'] ?? 'chunked').toLowerCase() !== 'chunked')
    throw badInput('Transfer-Encoding', 'may be chunked alone');
}

/** It runs, or is about to: all of it has arrived. */
const isOwed = ({ phase, message }: TrackedRequest) => phase === 'running' || message.complete;

/** Answers what is no HTTP, as any other mistake of a client is answered, and closes the connection. */
export function answerMalformed(
  server: Server,
  { connections, headers }: { connections: Connections; headers: Readonly<Record<string, string>> },
): void {
  const own = { ...headers, 'content-type': JSON_TYPE, connection: 'close' };

  function answer(error: { code?: string }, socket: Duplex): void {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const [status, message] = PROBLEMS[error.code ?? ''] ?? [400, 'The request is not valid HTTP'];
    const body = bodyOf(message);
    const lines = Object.entries({ ...own, 'content-length': Buffer.byteLength(body) }).map(
      ([name, value]) => `${name}: ${value}`,
    );
    socket.write([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'));
    (socket as Socket).destroySoon();
  }

  /** Those before it on its connection are answered first: a client would take this answer for one of theirs. */
  function answerInTurn(error: { code?: string }, socket: Duplex): void {
    const connection = connections.of(socket as Socket);
    // The parser fails again with everything that follows.
    if (connection.isMalformed) return;
    connection.isMalformed = true;
    connection.closing = true;
    socket.pause();
    connection.onAnswered = () => {
      if (![...connection.open].some(isOwed)) answer(error, socket);
    };
    connection.onAnswered();
  }

  server.on('clientError', answerInTurn);
  // Node would close the connection without an answer.
  server.on('connect', (_request, socket) => answerInTurn({ code: 'CONNECT' }, socket));
  // Node would answer it by itself, without a body.
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const body = bodyOf('The header Expect may be 100-continue alone');
    response.writeHead(417, { ...own, 'content-length': Buffer.byteLength(body) }).end(body);
  });
}
