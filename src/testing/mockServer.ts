/**
 * The mock server itself: takes in a request, finds the part that answers it, and has the switches that make
 * things go wrong.
 * @module
 */
import { gatewayAnswer } from './answers.ts';
import { answerBearer } from './api.ts';
import { answerOAuth } from './oauthEndpoints.ts';
import { checkOptions, type MockRequest, type MockServerOptions, type Received } from './options.ts';
import { type FetchInit, type FetchInput, isOAuthEndpoint, receive, toRequest, wait } from './receive.ts';
import { createState, type MockState, type MockTarget, type QueuedAnswer } from './state.ts';

/** A mock ThingSpace. Frozen; every function works when destructured. None touches the network. */
export interface MockServer {
  /**
   * The server. Give it as `config.fetch`, or as the handler of a server or Worker: what such a platform
   * passes beside a `Request` is ignored. An `init` counts as it does for `fetch`. Rejects with an error of
   * `failNext`, or with the reason of the request's signal.
   */
  readonly fetch: {
    (input: FetchInput, init?: FetchInit): Promise<Response>;
    (request: Request, ...platform: unknown[]): Promise<Response>;
  };
  /**
   * All requests, in the order in which their bodies arrived. To start afresh, set `length` to 0.
   */
  readonly requests: MockRequest[];
  /**
   * Moves the server's clock ahead by this many seconds. Tokens and idle sessions end by that. Anything but a
   * finite number is a `TypeError`.
   */
  advance(seconds: number): void;
  /**
   * Queues the answer to the next `count` requests of this kind, which then have no other effect. Without
   * `count` it is one request. The answer is a status (sent with a gateway's body), a `Response` (each
   * request gets a copy) or an error to reject with. `Infinity` lasts until it is called off: a count of `0`
   * calls off all that is queued for the target. An unknown target or any other answer is a `TypeError`.
   */
  failNext(target: MockTarget, answer: number | Response | Error, count?: number): void;
  /** Revokes every token; the next token request gets a new one. */
  revokeAll(): void;
  /** Ends every M2M session. */
  lapseSessions(): void;
}

/**
 * Makes a ThingSpace with a state of its own, for tests and local work. It touches no network. The path of a
 * URL counts; the host does only where that is said.
 *
 * - `POST …/oauth2/token` and `…/oauth2/revoke` want a form, and Basic credentials or an assertion. Any other
 *   path wants a live bearer.
 * - `POST …/session/login` begins an M2M session and `…/session/logout` ends it. A session also ends after 20
 *   idle minutes. `PUT …/session/password/actions/reset` changes the user's password. The APIs `m2m`, `loc`,
 *   `subsc`, `fota`, `diagnostics`, `cc` and `hyper-precise` want a session in the header `VZ-M2M-Token`;
 *   `mec` does not. Every host that begins with `imp.` or `imp-` (ETX) wants one in the header
 *   `SessionToken`.
 * - Edge Discovery and the device list answer with invented data, any other path with its `{ method, path }`.
 *   The wording of refused and locked logins, and of a wrong old password, is invented.
 * - Client assertions and proofs of possession (DPoP) are taken unread, and no nonce is asked for: only a
 *   real server can say whether they are good.
 *
 * Two servers never hand out the same token, so a token kept from an earlier run is refused.
 *
 * @throws `TypeError` that lists the known options, for an unknown one
 * @see https://thingspace.verizon.com/documentation/apis/software-management/getting-started/get-credentials.html
 *
 * @example
 * ```ts
 * const server = createMockServer({ clients: { 'mock-id': 'mock-secret' } });
 * const response = await server.fetch('https://thingspace.verizon.com/api/mec/eds/regions');
 * // 401 {"fault":{"code":"900902", …
 * ```
 */
export function createMockServer(options: MockServerOptions = {}): MockServer {
  checkOptions(options);
  const requests: MockRequest[] = [];
  const state = createState(options);
  return Object.freeze({ fetch, requests, advance, failNext, revokeAll, lapseSessions });

  async function fetch(input: FetchInput, ...beside: unknown[]): Promise<Response> {
    const request = toRequest(input, beside);
    request.signal?.throwIfAborted(); // workerd may have no signal here
    const received = await receive(request);
    const answer = answerTo(state, received);
    requests.push(Object.freeze({ ...received, status: answer instanceof Response ? answer.status : 0 }));
    if (options.latencyMs) await wait(options.latencyMs, request);
    if (answer instanceof Response) return answer;
    throw answer;
  }

  function advance(seconds: number): void {
    if (!Number.isFinite(seconds)) throw new TypeError('advance: give a number of seconds');
    state.advancedMs += seconds * 1000;
  }

  function failNext(target: MockTarget, answer: number | Response | Error, count: number = 1): void {
    const { queued } = state;
    if (!Object.hasOwn(queued, target)) {
      const known = Object.keys(queued).join(', ');
      throw new TypeError(`failNext: unknown target ${String(target)}; known targets: ${known}`);
    }
    if (count > 0 && !isAnswer(answer))
      throw new TypeError('failNext: give a status from 200 to 599, a Response or an Error as the answer');
    if (count > 0) queued[target].push({ answer, count });
    else queued[target].length = 0;
  }

  function revokeAll(): void {
    state.tokens.clear();
  }

  function lapseSessions(): void {
    state.sessions.clear();
  }
}

/** Errors and responses of another realm are objects, too: Jest has one of its own. */
function isAnswer(answer: unknown): boolean {
  if (typeof answer === 'number') return Number.isInteger(answer) && answer >= 200 && answer <= 599;
  return typeof answer === 'object' && answer !== null;
}

function answerTo(state: MockState, request: Received): Response | Error {
  const queued = nextQueued(state.queued[targetOf(request.path)]);
  if (queued !== undefined) return queued;
  return isOAuthEndpoint(request.path) ? answerOAuth(state, request) : answerBearer(state, request);
}

function targetOf(path: string): MockTarget {
  if (path.endsWith('/oauth2/token')) return 'token';
  return path.endsWith('/session/login') ? 'login' : 'api';
}

function nextQueued(queue: QueuedAnswer[]): Response | Error | undefined {
  const first = queue[0];
  if (first === undefined) return undefined;
  first.count -= 1;
  if (first.count < 1) queue.shift();
  const { answer } = first;
  if (typeof answer === 'number') return gatewayAnswer(answer);
  return answer instanceof Response ? answer.clone() : answer;
}
