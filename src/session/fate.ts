/**
 * What became of a login, told by its answer. ThingSpace locks an account after five refusals, so what cannot
 * be told counts as a failure.
 * @module
 */
import { asHeaderText } from '../core/token.ts';
import type { Answer } from '../platform/fetch.ts';
import { parseBody } from '../token/answer.ts';
import type { LoginFate } from './belief.ts';

/** What a request has brought, and, as `cause`, why it has brought no more. */
export interface SessionReply extends Answer {
  cause?: unknown;
}

/** Statuses that say that nobody has looked at the user name and password. */
const NOT_JUDGED = /^(40[458]|41[35]|429|503)$/;

/** Judges a login. A suspect bearer has met a fault before: this one may not be the gateway's. */
export function judgeLogin(reply: SessionReply, isSuspectBearer: boolean): LoginFate {
  const { response, text } = reply;
  if (!response) return { isUnknown: !isUnsent(reply.cause) };
  const { status, ok } = response;
  const token = ok && asHeaderText(parseBody(text)?.['sessionToken']);
  if (token) return { token };
  if (isBearerFault(reply)) return { isUnknown: isSuspectBearer };
  if (NOT_JUDGED.test(`${status}`)) return {};
  return status >= 400 && status < 500 ? { status } : { isUnknown: true };
}

/**
 * Whether the gateway does not take the bearer. The request has then not reached the account. ThingSpace
 * answers with JSON, WSO2 with XML of several prefixes (`<am:fault>`, `<ams:fault>`). The `<soap:Fault>` of
 * an account is none.
 */
export function isBearerFault({ response, text = '' }: Answer): boolean {
  if (!/^40[13]$/.test(`${response?.status}`)) return false;
  return parseBody(text)?.['fault'] !== undefined || /^\s*<([\s\S]*<)?([\w.-]+:)?fault\b/.test(text);
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
