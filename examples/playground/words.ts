/** Says in words what the picture shows, and what the terms in it mean. */
import type { Party, Row } from './simulation.ts';

/** A row of the picture as a sentence. */
export function sentenceOf(row: Exclude<Row, { kind: 'step' }>): string {
  const times = row.count > 1 ? ` (${row.count} times)` : '';
  if (row.kind === 'note')
    return `${row.at === 'client' ? 'Client' : capitalized(NAMES[row.at])}: ${row.label}${times}.`;
  const { from, to, label, isReply } = row;
  if (from === 'app') return `Your program calls ${label}${times}.`;
  if (to === 'app')
    return `${isFailure(label) ? 'The call fails with' : 'Your program gets'} ${label}${times}.`;
  const sender = from === 'client' ? 'The client' : capitalized(NAMES[from]);
  if (!isReply && to === 'store') return `${sender} asks the store${times}: ${ended(label)}`;
  if (!isReply) return `${sender} sends ${label} to the ${NAMES[to]}${times}.`;
  return to === 'client'
    ? `The ${NAMES[from]} answers ${label}${times}.`
    : `The ${NAMES[from]} answers ${NAMES[to]}${times}: ${label}.`;
}

/** A question has its sign already. */
function ended(label: string): string {
  return label.endsWith('?') ? label : `${label}.`;
}

function capitalized(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function isFailure(label: string): boolean {
  return /^\D/.test(label) && label !== 'token';
}

const NAMES: Readonly<Record<Party, string>> = {
  app: 'program',
  client: 'client',
  one: 'process 1',
  two: 'process 2',
  three: 'process 3',
  store: 'store',
  token: 'token endpoint',
  api: 'API',
  login: 'M2M login',
  other: 'other origin',
};

/** What a term means; it is told where the picture shows it. */
const TERMS: readonly (readonly [term: string, shownAs: RegExp, meaning: string])[] = [
  ['new token', /^new token #/, 'The page tells tokens apart by their number; it never shows one.'],
  [
    'same token',
    /^same token/,
    'The server handed out the same token as before. ThingSpace does so until the token expires.',
  ],
  [
    'the turn',
    /^(?:take|free) the turn$/,
    'Before a process asks for a token it takes the turn in the store. The others wait for what it brings, and go on alone if it is gone.',
  ],
  ['store failed', /^store failed/, 'The process goes on without the store, and asks for a token itself.'],
  [
    'replay',
    /^replay/,
    'The API refused the token or the session. The client got another one and sent the same call again, once.',
  ],
  ['401', /^401$/, 'The server does not accept the token, the session, or the password.'],
  [
    'retry',
    /^retry/,
    'The token endpoint failed in a way that may pass by itself. The client waits a little and asks again, three times in all.',
  ],
  [
    'gateway_fault',
    /^gateway_fault/,
    'The code of the error: the server, or a gateway in front of it, failed and gave no OAuth error. Here it answered 503.',
  ],
  [
    'token failed',
    /^token failed/,
    'The client could not get a token. For a second or more, further calls fail at once, without a request: the outage guard.',
  ],
  [
    'refresh ahead failed',
    /^refresh ahead failed/,
    'The token is about to expire, and the client could not get another one. The call uses it, since it is still valid.',
  ],
  [
    'session',
    /^session obtained/,
    'M2M calls want a session beside the token. The client logs in once and keeps it in use.',
  ],
  [
    'logins stopped',
    /^logins stopped/,
    'The login was refused. The client sends no other until it is told to: five wrong passwords lock the account.',
  ],
  [
    'session_refused',
    /^session_refused/,
    'The code of the error: user name or password was refused, now or before.',
  ],
];

/** The terms that these rows show, with their meaning. */
export function termsIn(rows: readonly Row[]): readonly (readonly [term: string, meaning: string])[] {
  const shown = TERMS.filter(([, shownAs]) => rows.some(({ label }) => shownAs.test(label)));
  return shown.map(([term, , meaning]) => [term, meaning]);
}
