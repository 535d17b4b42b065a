import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { badInput, ErrorCode } from '../common/errors.js';
import type { AccessLog } from './accessLog.js';
import type { Connections, TrackedRequest } from './connections.js';
import { REQUEST_ID_HEADER, requestIdOf } from './requestIds.js';

/** Responses to what Node rejects before there is a request, by the code of its error. */
const PROBLEMS: Readonly<Record<string, [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request took too long to arrive'],
  HPE_HEADER_OVERFLOW: [431, 'The URL and the headers are larger than 16 KB together'],
  CONNECT: [405, 'This server is not a proxy: CONNECT is not supported'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The extensions of a chunk are too large'],
};

const JSON_TYPE = 'application/json; charset=utf-8';
const bodyOf = (message: string) => JSON.stringify({ error: { code: ErrorCode.BAD_USER_INPUT, message } });

/**
 * Rejects requests that Node accepts although proxies may interpret them differently.
 * @throws BAD_USER_INPUT
 */
export function checkHeaders({ headers, rawHeaders, httpVersion }: IncomingMessage): void {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (isHost(rawHeaders[i])) hosts++;
  if (hosts > 1) throw badInput('Host', 'the header must not be sent more than once');
  if (hosts === 0 && httpVersion !== '1.0') throw badInput('Host', 'the header is missing');
  if ((headers['transfer-encoding'] ?? 'chunked').toLowerCase() !== 'chunked')
    throw badInput('Transfer-Encoding', 'must be chunked');
}

const isHost = (name: string | undefined): boolean => name?.length === 4 && name.toLowerCase() === 'host';

/** Whether a request runs or is about to, because it has been received completely. */
const isOwed = ({ phase, message }: TrackedRequest) => phase === 'running' || message.complete;

/** Answers invalid HTTP in the format of all other client errors, and closes the connection. */
export function answerMalformed(
  server: Server,
  deps: { connections: Connections; headers: Readonly<Record<string, string>>; accessLog: AccessLog },
): void {
  const { connections, headers, accessLog } = deps;
  const own = { ...headers, 'content-type': JSON_TYPE, connection: 'close' };

  function answer(error: { code?: string }, socket: Duplex): void {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const [status, message] = PROBLEMS[error.code ?? ''] ?? [400, 'The request is not valid HTTP'];
    const body = bodyOf(message);
    const id = requestIdOf({ headers: {} });
    const all = { ...own, [REQUEST_ID_HEADER]: id, 'content-length': Buffer.byteLength(body) };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
    socket.write([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'));
    (socket as Socket).destroySoon();
    accessLog.malformed(id, status);
  }

  /** Answers earlier requests on the connection first, because the client would mistake this response for one of theirs. */
  function answerInTurn(error: { code?: string }, socket: Duplex): void {
    const connection = connections.of(socket as Socket);
    // The parser fails again on everything that follows.
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
  // By default, Node would answer without a body.
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    const body = bodyOf('The header Expect must be 100-continue');
    const id = requestIdOf(request);
    const all = { ...own, [REQUEST_ID_HEADER]: id, 'content-length': Buffer.byteLength(body) };
    response.writeHead(417, all).end(body);
    accessLog.malformed(id, 417);
  });
}
