// Makes the pictures of README.md and of the texts beside the examples, each for light and dark pages.
// What passes between programs and servers is drawn by the playground's own code, of what real clients did
// here; what `check` prints is what the command printed. Wants dist/ to be built.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { entriesPicture, sessionPicture } from './figures.mjs';

const source = import.meta.dirname;
const root = join(source, '../..');
const folder = join(root, '.github');
const WIDE = 760;
const NARROW = 340;
const PADDING = 12;
const LETTER_WIDTH = 7.3;
const LINE_HEIGHT = 18;
const REPLAY =
  'A call gets a token and is answered. The server revokes the token. The next call is refused, gets another token, and is sent again.';
const FLEET =
  'Three processes with one store start at once. One of them takes the turn and asks for a token. The others take it from the store.';
const ORIGINS =
  'Where a token goes: to the API, and along a redirect inside apiOrigins. A redirect to another origin goes on without it. A wrong URL is refused before any request.';
const CHECK =
  'The command check with a wrong secret: the endpoint answered, the token was refused, and it says what to do next. Below it the playground: 100 calls, 1 token request.';

/** By path: what belongs there. */
export async function drawPictures() {
  const tools = await load();
  const [replay, fleet, origins] = [
    await rowsOfReplay(tools),
    await rowsOfFleet(tools),
    await rowsOfOrigins(),
  ];
  const sequence = (rows, parties, width) => drawSequence(tools, rows, { width, parties });
  const ofReplay = ['app', 'client', 'token', 'api'];
  const ofFleet = ['one', 'two', 'three', 'store', 'token', 'api'];
  const drawings = {
    'one-call': [REPLAY, WIDE, sequence(replay, ofReplay, WIDE)],
    'one-call-narrow': [REPLAY, NARROW, sequence(shortened(replay), ofReplay, NARROW)],
    check: [CHECK, WIDE, await drawTrial(tools)],
    fleet: [FLEET, WIDE, sequence(fleet, ofFleet, WIDE)],
    'fleet-narrow': [FLEET, NARROW, sequence(fleet, ofFleet, NARROW)],
    origins: [ORIGINS, WIDE, sequence(origins, ['client', 'token', 'api', 'other'], WIDE)],
    'origins-narrow': [
      ORIGINS,
      NARROW,
      sequence(shortened(origins), ['client', 'token', 'api', 'other'], NARROW),
    ],
    session: sessionPicture(tools),
    entries: entriesPicture(tools),
  };
  return Object.fromEntries(
    Object.entries(drawings).flatMap(([name, drawing]) =>
      ['light', 'dark'].map((scheme) => [
        join(folder, `${name}-${scheme}.svg`),
        framed(tools, drawing, scheme),
      ]),
    ),
  );
}

function framed({ svgOf }, [words, ownWidth, { height: ownHeight, content }], scheme) {
  const style = ['diagram.css', 'figures.css']
    .map((name) => readFileSync(join(source, name), 'utf8'))
    .join('\n')
    .replace(/var\((--\w[\w-]*)\)/g, (_, name) => colours(scheme)[name]);
  const [width, height] = [ownWidth + 2 * PADDING, ownHeight + 2 * PADDING];
  const all = [
    `<style>\n${style}</style>\n`,
    `<rect width="${width}" height="${height}" rx="10" fill="${colours(scheme)['--panel']}"/>\n`,
    `<g transform="translate(${PADDING} ${PADDING})">${content}</g>\n`,
  ].join('');
  const svg = svgOf({ height, content: all }, width, { role: 'img', 'aria-label': words });
  return `${svg.replaceAll(/(?=<(?:line|rect|path|text) )/g, '\n')}\n`;
}

function drawSequence({ drawHeads, drawRows }, rows, plan) {
  const [heads, body] = [drawHeads(plan), drawRows(rows, plan)];
  return {
    height: heads.height + body.height,
    content: `${heads.content}\n<g transform="translate(0 ${heads.height})">${body.content}</g>`,
  };
}

/** A phone has no room for a sentence. */
function shortened(rows) {
  return rows.map((row) => (row.kind === 'step' && row.short ? { ...row, label: row.short } : row));
}

function named(rows, labels) {
  const left = [...labels];
  return rows.map((row) => {
    if (row.kind !== 'step') return row;
    const [label, short] = left.shift();
    return { ...row, label, short, time: '' };
  });
}

async function rowsOfReplay({ createSimulation }) {
  const simulation = createSimulation(SILENT, { shiftMs: 0 });
  await simulation.call(1);
  simulation.revoke();
  await simulation.call(1);
  return named(simulation.rows, [
    ['The first call gets a token'],
    ['The server revokes the token'],
    ['The next call is refused, gets another token, and is sent again', 'The next call is sent again'],
  ]);
}

const SILENT = { onChange: () => {}, onRow: () => {}, onOutcome: () => {} };

/** Whose turn it is, is asked more often than a picture can show. */
async function rowsOfFleet({ createSimulation }) {
  const { random } = Math;
  // The others look again after a time that chance decides.
  Math.random = () => 0.5;
  const simulation = createSimulation(SILENT, { shiftMs: 0 });
  await simulation.fleet().finally(() => {
    Math.random = random;
  });
  const isShown = (row, index, rows) => !isAboutTurn(row) && !isAboutTurn(rows[index - 1]);
  const isAboutTurn = (row) => row?.kind === 'message' && /^whose turn\?|^free the turn/.test(row.label);
  return named(simulation.rows.filter(isShown), [['Three processes start at once']]);
}

/** What a client sends where, when an API redirects and when a URL is wrong. */
async function rowsOfOrigins() {
  const { createClient } = await import(pathToFileURL(join(root, 'dist/index.js')));
  const rows = [];
  const say = (from, to, label, tone, isReply) =>
    rows.push({ kind: 'message', from, to, label, tone, isReply, count: 1 });
  const partyOf = ({ host }) => ({ 'auth.example.com': 'token', 'api.example.com': 'api' })[host] ?? 'other';
  const redirects = { '/moved': 'https://api.example.com/new', '/away': 'https://elsewhere.example/new' };
  const { authorizedFetch } = createClient({
    clientCredentialsAuthCredentials: { oauthClientId: 'your-key', oauthClientSecret: 'your-secret' },
    environment: { tokenUrl: 'https://auth.example.com/token', apiOrigins: ['https://api.example.com'] },
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const url = new URL(request.url);
      const to = partyOf(url);
      const sent = { token: 'secret', api: 'token', other: 'token' }[to];
      const isSent = request.headers.has('authorization');
      say('client', to, `${url.pathname} ${isSent ? `+ ${sent}` : 'no token'}`, 'plain', false);
      const location = redirects[url.pathname];
      const status = location ? 302 : 200;
      say(to, 'client', String(status), 'good', true);
      if (location) return new Response(null, { status, headers: { location } });
      return Response.json({ access_token: 'a-token', token_type: 'Bearer', expires_in: 3600 });
    },
  });
  const step = (label, short) => rows.push({ kind: 'step', label, short, time: '' });
  step('A call to the API');
  await authorizedFetch('https://api.example.com/call');
  step('A redirect inside apiOrigins', 'A redirect inside');
  await authorizedFetch('https://api.example.com/moved');
  step('A redirect to another origin goes on without the token', 'A redirect elsewhere');
  await authorizedFetch('https://api.example.com/away');
  step('A wrong URL is refused before any request', 'A wrong URL is refused');
  const refusal = await authorizedFetch('https://elsewhere.example/call').catch((error) => error.name);
  rows.push({ kind: 'note', label: refusal, tone: 'bad', at: 'client', count: 1 });
  return rows;
}

/** What `check` prints of a wrong secret, and below it what the playground counts of a hundred calls. */
async function drawTrial(tools) {
  const terminal = drawTerminal(
    tools,
    'npx thingspace-auth check https://5gedge.verizon.com/api/mec/eds/regions',
  );
  const simulation = tools.createSimulation(SILENT, { shiftMs: 0 });
  await simulation.call(100);
  const { calls, exchanges, replays } = simulation.counts;
  const counted = `${calls} calls · ${exchanges} token request · ${replays} replays`;
  const rows = named(simulation.rows, [[`npm run playground: ${counted}`]]);
  const below = drawSequence(tools, rows, { width: WIDE, parties: ['app', 'client', 'token', 'api'] });
  const gap = 16;
  return {
    height: terminal.height + gap + below.height,
    content: `${terminal.content}\n<g transform="translate(0 ${terminal.height + gap})">${below.content}</g>`,
  };
}

function drawTerminal({ textOf }, command) {
  const lines = [`$ ${command}`, ...printed(command)].flatMap((line) => wrapped(line, WIDE - 24));
  const height = lines.length * LINE_HEIGHT + 20;
  const texts = lines.map((line, index) => {
    const tone = { ok: 'good', FAIL: 'bad' }[/^\w+/.exec(line)?.[0]] ?? '';
    const attributes = { class: `line ${tone}`, x: 12, y: index * LINE_HEIGHT + 24, 'xml:space': 'preserve' };
    return textOf(attributes, line);
  });
  const frame = `<rect class="terminal" x="0.5" y="0.5" width="${WIDE - 1}" height="${height - 1}" rx="8"/>`;
  return { height, content: `${frame}${texts.join('')}` };
}

/** The command itself, with a server that knows another secret. How long it took is not shown. */
function printed(command) {
  const mock = `
    import { createMockServer } from ${JSON.stringify(pathToFileURL(join(root, 'dist/testing.js')).href)};
    globalThis.fetch = createMockServer({ clients: { 'your-key': 'another-secret' } }).fetch;`;
  const words = command.split(' ').slice(2);
  const preload = `data:text/javascript,${encodeURIComponent(mock)}`;
  const env = {
    PATH: process.env.PATH,
    NO_COLOR: '1',
    THINGSPACE_CLIENT_ID: 'your-key',
    THINGSPACE_CLIENT_SECRET: 'your-secret',
    THINGSPACE_SCOPES: 'discovery:read',
  };
  const file = join(root, 'dist/command.js');
  try {
    execFileSync(process.execPath, ['--import', preload, file, ...words], { encoding: 'utf8', env });
  } catch ({ stdout }) {
    return stdout
      .trimEnd()
      .replace(/ in \d+ ms/g, '')
      .split('\n');
  }
  throw new Error('check did not notice the wrong secret');
}

/** In lines that fit, each under the place where the words of the first one begin. */
function wrapped(line, width) {
  const columns = Math.floor(width / LETTER_WIDTH);
  const [indent = ''] = /^.{17}(?=\S)/.exec(line) ?? [];
  const lines = [''];
  for (const word of line.split(/(?<= )/)) {
    if ((lines.at(-1) + word).trimEnd().length > columns) lines.push(' '.repeat(indent.length));
    lines.push(lines.pop() + word);
  }
  return lines.map((each) => each.trimEnd());
}

/** The custom properties of the page's style. */
function colours(scheme) {
  const [light, dark] = [
    ...readFileSync(join(source, 'style.css'), 'utf8').matchAll(/:root \{(.*?)\}/gs),
  ].map(([, declarations]) =>
    Object.fromEntries(
      [...declarations.matchAll(/(--[\w-]+): (.*?);/g)].map(([, name, value]) => [name, value]),
    ),
  );
  return scheme === 'light' ? light : { ...light, ...dark };
}

async function load() {
  const { outputFiles } = await build({
    stdin: { contents: "export * from './diagram.ts'; export * from './simulation.ts';", resolveDir: source },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

if (process.argv[1] === import.meta.filename) {
  for (const [path, picture] of Object.entries(await drawPictures())) writeFileSync(path, picture);
}
