/**
 * Reads from a login's answer what became of the login. ThingSpace locks an account after five refusals, so a
 * login of unknown fate counts as a failure.
 * @module
 */
import { isNotJudged } from '../core/statuses.ts';
import { asHeaderText } from '../core/token.ts';
import type { Answer } from '../platform/fetch.ts';
import { parseBody } from '../token/answer.ts';
import type { LoginFate } from './belief.ts';

/** What a request has brought, and, as `cause`, why it has brought no more. */
export interface SessionReply extends Answer {
  cause?: unknown;
}

/** Judges a login by what the account itself can have said. What anything before it says is no refusal. */
export function judgeLogin(reply: SessionReply): LoginFate {
  const { response, text } = reply;
  if (!response) return { isUnknown: !isUnsent(reply.cause) };
  const { status, ok } = response;
  const token = ok && asHeaderText(parseBody(text)?.['sessionToken']);
  if (token) return { token };
  if (gatewayCode(reply) || isBearerFault(reply) || isNotJudged(status, response.headers)) return {};
  return isRefusal(status, text) ? { status } : { isUnknown: true };
}

/** The account answers with JSON. A firewall, a CDN or nginx has a page of its own, a gateway a `fault`. */
function isRefusal(status: number, text = ''): boolean {
  return /^40[013]$/.test(`${status}`) && /^\s*\{/.test(text) && parseBody(text)?.['fault'] === undefined;
}

/**
 * WSO2's own code, which the account never has: of a limit (9008..), or of a bearer or a subscription
 * (9009..). ThingSpace answers with JSON, WSO2 also with XML of several prefixes (`<am:code>`, `<ams:code>`),
 * its API Manager 4 without `fault`.
 */
export function gatewayCode({ text = '' }: Answer): string | undefined {
  const { fault, code } = parseBody(text) ?? {};
  const said = fault?.code ?? code ?? /^\s*<[\s\S]*<(?:[\w.-]+:)?code>([^<]*)</.exec(text)?.[1];
  return /^\s*900[89]\d\d\s*$/.test(`${said}`) ? `${said}`.trim() : undefined;
}

/** Whether the gateway does not take the bearer (RFC 6750 section 3.1), so that another one may help. */
export function isBearerFault(reply: Answer): boolean {
  const challenge = reply.response?.headers.get('www-authenticate') ?? '';
  return /^9009/.test(gatewayCode(reply) ?? '') || /error="?invalid_token\b/i.test(challenge);
}

/** How Node, Bun and Deno say that there is no connection, or that none is allowed. */
const NO_CONNECTION =
  /^(E?Conn(ection)?Refused|ENOTFOUND|EAI_|FailedToOpen|E(HOST|NET)UNREACH|UND_ERR_CONNECT|ERR_ACCESS|NotCapable)|\(Connect\)/i;
/** How OpenSSL says that a certificate is not accepted. An alert (`ERR_SSL_…`) may come after the request. */
const NO_CERTIFICATE = /^((?!ERR_SSL)[A-Z_]*(CERT|CRL_)|UNABLE_TO|INVALID_[CP]|PATH_LEN|HOSTNAME)/;

/** Whether the platform says that nothing was sent: the error itself, or one behind it. */
function isUnsent(error: unknown, depth = 4): boolean {
  const { code, name, message, syscall, cause } = Object(error) as Readonly<Record<string, unknown>>;
  // A connection that was open may break for the same reasons.
  if (syscall === 'read' || syscall === 'write') return false;
  const words = `${code ?? name} ${message}`;
  return NO_CONNECTION.test(words) || NO_CERTIFICATE.test(words) || (depth > 0 && isUnsent(cause, depth - 1));
}
