import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { before, test } from 'node:test';
import { transform } from 'esbuild';
import { ApiError, type ClientConfig, configFromEnvironment, createClient } from 'thingspace-auth';
import { createSession } from 'thingspace-auth/session';
import { createMockServer } from 'thingspace-auth/testing';
import { withMetadata } from '../support/authorizationServer.ts';
import { fakeClock, turn } from '../support/server.ts';
import { GLOBAL_MOCK, runProgram, runWithoutAccount, startStandIn } from '../support/standIn.ts';

const root = join(import.meta.dirname, '../../..');
const folder = join(root, '.build/readme');
const readme = read('README.md');
const npm = JSON.parse(read('package.json'));

/** The pages whose programs run here; those that stand in a file of their own are run as examples. */
const GUIDE = [
  'README.md',
  'examples/session.md',
  'examples/stores.md',
  'examples/errors.md',
  'examples/slips.md',
];

/** Its programs each have a server of their own, in servers.test.ts. */
const SERVERS = 'examples/servers/README.md';
const guide = GUIDE.map(read).join('\n');

/**
 * Each block of code: its page, the marker before it, where there is one, and its language. One that shows a
 * mistake is plain JavaScript.
 */
const snippets = [...GUIDE, SERVERS].flatMap((page) =>
  [...read(page).matchAll(/(?:<!-- (\S+) -->\n)?```(ts|js)\n(.*?)^```$/gms)].map(
    ([, marker, language, code = ''], index) => ({
      name: `${page === SERVERS ? 'servers' : basename(page, '.md').toLowerCase()}${index + 1}`,
      page,
      marker,
      language,
      code,
    }),
  ),
);

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** The text between a heading and the next one. */
function section(title: string, page = 'README.md'): string {
  const text = read(page);
  const start = text.search(new RegExp(`^#+ ${title}$`, 'm'));
  assert.ok(start >= 0, `${page} has no section "${title}"`);
  return text.slice(start).split(/^#+ /m)[1]!;
}

/** The code spans in the first column of a table. */
function firstColumn(text: string): string[] {
  const rows = text.match(/^\| `.*/gm) ?? [];
  return rows.flatMap((row) => [...row.split(' | ')[0]!.matchAll(/`([^`]+)`/g)].map(([, span]) => span!));
}

interface Declared {
  readonly texts: readonly string[];
  readonly properties: readonly { readonly name: string; readonly doc: string; readonly texts: string[] }[];
}

const { readDeclarations } = await import(join(root, 'test/support/declarations.mjs'));
const declarations: ReadonlyMap<string, Declared> = readDeclarations(
  'src/config/config.ts',
  'src/config/environments.ts',
  'src/core/errors.ts',
  'src/core/events.ts',
  'src/core/token.ts',
);

function declared(name: string): Declared {
  const found = declarations.get(name);
  assert.ok(found, `${name} is declared in none of these sources`);
  return found;
}

before(async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'key.pem'),
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
  );
  for (const { name, code, language } of snippets) {
    if (language === 'ts') writeFileSync(join(folder, `${name}.ts`), `${code}\nexport {};\n`);
    writeFileSync(
      join(folder, `${name}.js`),
      (await transform(code, { loader: 'ts', target: 'es2022' })).code,
    );
  }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../test/tsconfig.json', include: ['*.ts'] }),
  );
});

/** A page's words, as `wc -w` counts them, but those of its code blocks. */
function wordsOf(text: string): string[] {
  return text
    .replace(/^```.*?^```$/gms, '')
    .split(/\s+/)
    .filter(Boolean);
}

test('the README has at most 1,300 words beside its code, shows code after five lines, then two commands', () => {
  assert.ok(wordsOf(readme).length <= 1300, `${wordsOf(readme).length} words`);
  assert.ok(readme.split('```')[0]!.trim().split('\n').length <= 7);
  assert.ok(readme.split('```')[0]!.trim().split(/\s+/).length <= 65);
  // Under the first program, before all else.
  const [, , , , below = ''] = readme.split('```');
  assert.match(below.trim(), /^In a clone, `npm run demo`.*`npm cit`/);
});

test('the pages are in plain words: short sentences', () => {
  for (const page of [
    ...GUIDE,
    SERVERS,
    'examples/coming-from.md',
    'examples/thingspace-errors.md',
    'examples/README.md',
    'examples/migration/README.md',
    'CHANGELOG.md',
    '.github/DESIGN.md',
    '.github/SECURITY.md',
  ]) {
    const prose = read(page)
      .replace(/^```.*?^```$|^\|.*$|^#.*$|<!--.*?-->/gms, '')
      .replace(/\]\([^)]*\)/g, ']');
    for (const sentence of prose.split(/(?<=[.:?!])\s+|\n\s*\n|\n- /)) {
      const count = sentence.split(/\s+/).length;
      assert.ok(count <= 32, `${page}: ${count} words: ${sentence}`);
    }
  }
});

/** The column of the site shows so many; wider lines would be cut. */
const MAX_COLUMNS = 110;

test('no line of code on a page is cut on the site', () => {
  for (const page of [
    ...GUIDE,
    SERVERS,
    'examples/README.md',
    'examples/coming-from.md',
    'examples/migration/README.md',
    '.github/CONTRIBUTING.md',
  ]) {
    const blocks = [...read(page).matchAll(/^```.*?^```$/gms)];
    for (const line of blocks.flatMap(([block]) => block.split('\n')))
      assert.ok(line.length <= MAX_COLUMNS, `${page}: ${line.length} columns: ${line}`);
  }
});

test('every snippet is JavaScript as well', async () => {
  for (const { code } of snippets) await transform(code, { loader: 'js' });
});

test('every snippet in TypeScript type-checks', () => {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');

  assert.ok(snippets.length >= 5);
  execFileSync(process.execPath, [tsc, '-p', folder, '--noEmit'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
});

for (const { name, page, code } of snippets.filter((snippet) => snippet.page !== SERVERS)) {
  test(`${name} of ${page} runs and prints what it says: ${/^createClient.*|^const .*/m.exec(code)?.[0]}`, async (t) => {
    const mock = createMockServer({
      identifyClient: ({ headers, body }) =>
        headers.authorization ?? new URLSearchParams(body).get('client_id') ?? undefined,
    });
    const env = {
      THINGSPACE_CLIENT_ID: 'invented-key',
      THINGSPACE_CLIENT_SECRET: 'invented-secret',
      CLIENT_SECRET: 'invented-secret',
      TOKEN_STORE_KEY: Buffer.alloc(32, 'invented').toString('base64'),
      THINGSPACE_USERNAME: 'invented-user',
      THINGSPACE_PASSWORD: 'invented-password',
      STATE_DIRECTORY: join(folder, `${name}.state`),
    };

    const { stdout, stderr, exitCode } = await runProgram(
      join(folder, `${name}.js`),
      await startStandIn(t, withMetadata(mock)),
      env,
      folder,
    );

    assert.equal(stderr, '');
    assert.equal(exitCode, 0);
    const promised = [...code.matchAll(/\/\/=> (.*)/g)].map(([, line]) => line);
    if (promised.length) assert.deepEqual(stdout.trimEnd().split('\n'), promised);
  });
}

test('the first program of the README runs without an account, as the next section says', async () => {
  assert.match(readme, /^node --import thingspace-auth\/testing\/global try\.mjs$/m);

  const { stdout, stderr, exitCode } = await runWithoutAccount(join(folder, 'readme1.js'));

  assert.match(stdout, /^200 \{[^]*mock-region-1/);
  assert.match(stderr, GLOBAL_MOCK);
  assert.equal(exitCode, 0);
});

const INVENTED: ClientConfig = {
  clientCredentialsAuthCredentials: { oauthClientId: 'invented-key', oauthClientSecret: 'invented-secret' },
};

test('a snippet that names an example is that example', () => {
  const shown = snippets.filter(({ marker }) => marker?.startsWith('examples/'));

  assert.ok(shown.length > 0);
  for (const { marker, code } of shown) assert.equal(code, read(marker!));
});

test('the function table lists what createClient returns', () => {
  const names = firstColumn(section('The four functions')).map((span) => span.split('(')[0]);

  assert.deepEqual(names.sort(), Object.keys(createClient(INVENTED)).sort());
});

test('the annotated configuration has every option with its default', () => {
  const { code } = snippets.find(({ marker }) => marker === 'options')!;
  const literal = code.replace(/ \/\/.*/g, '');
  const shown = new Map(
    [...literal.matchAll(/(\w+): (\{\}|[^\s,{]+)/g)].map(([, name, value]) => [name!, value!]),
  );
  const documented = ['ClientCredentials', 'RetryOptions', 'ClientOptions', 'KnownScopesConfig'].flatMap(
    (name) => declared(name).properties,
  );

  assert.ok(documented.length > 15);
  for (const { name: option, doc } of documented) {
    assert.match(literal, new RegExp(`\\b${option}:`), `the README does not show ${option}`);
    const known = /\bDefault `?([^`\s]+?)`?\.(?:\s|$)/.exec(doc.replaceAll('_', ''))?.[1];
    if (known) assert.equal(shown.get(option), known, option);
  }
  for (const name of shown.keys())
    assert.ok(
      documented.some((option) => option.name === name),
      `${name} is no option`,
    );
});

test('the options of a custom environment are those of the code, as are the variables; --help lists them all', () => {
  const options = declared('CustomEnvironment').properties;
  assert.ok(options.length > 3);
  for (const { name } of options)
    assert.ok(section('Any other OAuth 2 server').includes(`\`${name}\``), name);
  const variables = variablesRead();
  const ofLogin = read('src/command/check.ts').match(/\bTHINGSPACE_(USERNAME|PASSWORD)\b/g)!;
  const known = new Set([...variables, ...ofLogin]);
  assert.deepEqual(new Set(read('src/command/usage.ts').match(/\bTHINGSPACE_\w+/g)), known);
  for (const name of guide.match(/\bTHINGSPACE_\w+/g)!) assert.ok(known.has(name), name);
});

/** The variables that a configuration is made from, as it asks for them. */
function variablesRead(): string[] {
  const asked = new Set<string>();
  const credentials = { THINGSPACE_CLIENT_ID: 'invented-key', THINGSPACE_CLIENT_SECRET: 'invented-secret' };
  const custom = {
    THINGSPACE_TOKEN_URL: 'https://auth.example.com/token',
    THINGSPACE_API_ORIGINS: 'https://api.example.com',
  };
  for (const variables of [credentials, { ...credentials, ...custom }]) {
    const get = (target: Record<string, string>, name: string) => (asked.add(name), target[name]);
    configFromEnvironment({ env: new Proxy<Record<string, string>>(variables, { get }) });
  }
  return [...asked];
}

test('the error table has every code, the text on events every type', () => {
  assert.deepEqual(
    firstColumn(section('Errors and events', 'examples/errors.md')).sort(),
    [...declared('ApiErrorCode').texts].sort(),
  );
  const types = declared('ClientEvent').properties.flatMap(({ name, texts }) =>
    name === 'type' ? texts : [],
  );
  const told = [
    .../^`onEvent` gets .*?\.$/ms
      .exec(section('Events', 'examples/errors.md'))![0]
      .matchAll(/`([a-z]+_[a-z_]+)`/g),
  ].map(([, type]) => type);
  assert.deepEqual(told.sort(), types.sort());
});

test('the text on tokens has every field of a token', () => {
  const fields = declared('OAuthToken').properties;

  const told = /A token is .*?\n\n/s.exec(section('By hand', 'examples/stores.md'))![0].matchAll(/`(\w+)`/g);
  assert.deepEqual([...told].map(([, name]) => name).sort(), fields.map(({ name }) => name).sort());
});

test('every function, entry and class that the README and its pages name exists', async () => {
  const entries = Object.keys(npm.exports).map((path) => npm.name + path.slice(1));
  const session = createSession({ username: 'invented-user', password: 'invented-password' });
  const things = [createClient(INVENTED), createMockServer(), session];
  const names = new Set(things.flatMap((thing) => Object.keys(thing)));
  // It would take this process's fetch.
  const named = entries.filter((entry) => !entry.endsWith('/testing/global'));
  for (const entry of named) for (const name of Object.keys(await import(entry))) names.add(name);

  for (const [, entry] of guide.matchAll(/['`](thingspace-auth\/[\w/-]+)['`]/g))
    assert.ok(entries.includes(entry!), entry);
  const prose = guide.replace(/```.*?```/gs, '');
  for (const [, name] of prose.matchAll(/`([a-z]\w+)\([^`]*\)`/g))
    assert.ok(names.has(name!) || name === 'require', name);
  for (const [, name] of prose.matchAll(
    /`(clientSecret\w+|noClient\w+|[a-z]+Store|Token\w+|[A-Z]\w+Error|\w+Enum)`/g,
  )) {
    assert.ok(names.has(name!) || name! in globalThis, name);
  }
});

test('the store table says which stores lock', async () => {
  const anything = new Proxy(() => {}, {
    get: (_, name) => (name === 'then' ? undefined : () => undefined),
  }) as any;
  for (const row of section('Which store', 'examples/stores.md').match(/^\| `\w+\(.*/gm)!) {
    const [, name, entry, lock] = /^\| `(\w+)\(.*?`, `(\S+)` \|[^|]*\| (.+?) \|/.exec(row)!;
    const store = (await import(`${npm.name}/stores/${entry}`))[name!](
      name === 'fileStore' ? join(folder, 'store') : anything,
    );
    if (lock === 'yes') assert.equal(typeof (store.compareAndSet ?? store.lock), 'function', name);
  }
});

test('version, file and floor in the install lines are those of the package', async () => {
  const [, version, file] = /npm\/thingspace-auth@([\d.]+)\/(dist\/[\w.-]+)/.exec(readme)!;

  assert.equal(version, npm.version);
  assert.deepEqual(Object.keys(await import(join(root, file!))), Object.keys(await import(npm.name)));
  assert.equal(`>=${/npm install .*# Node (\d+)/.exec(readme)![1]}`, npm.engines.node);
  // The name that the snippets import.
  assert.ok(readme.includes(`deno add ${npm.name}@jsr:${JSON.parse(read('jsr.json')).name} `));
  for (const [, built] of readme.matchAll(/`(dist\/[\w./-]+)`/g))
    assert.ok(existsSync(join(root, built!)), built);
});

test('the sizes named are the ceilings that the size test holds', () => {
  const sizes: readonly { names: string; ceiling: number }[] = JSON.parse(read('test/repository/sizes.json'));
  const [ofAll, ofPage] = sizes
    .filter(({ names }) => names === 'createClient')
    .map(({ ceiling }) => `${ceiling / 1000} kB`);

  assert.ok(readme.includes(`at most ${ofAll} to a bundle`), ofAll);
  assert.ok(readme.includes(`or ${ofPage} to a page's`), ofPage);
});

test('a token request has 30 s and a renewal 60 s where timeout is 0', async (t) => {
  assert.match(readme, /0: no limit, but 30 s for a token request/);
  assert.match(guide, /a renewal longer than 60 s/);
  const clock = fakeClock(t);
  const hanging = createClient({ ...INVENTED, fetch: () => new Promise<Response>(() => {}) });
  const oauthTokenProvider = (): Promise<never> => new Promise(() => {});
  const waiting = createClient({
    clientCredentialsAuthCredentials: { oauthClientId: 'invented-key', oauthTokenProvider },
  });

  for (const [client, limitMs] of [
    [hanging, 30_000],
    [waiting, 60_000],
  ] as const) {
    let code: unknown;
    client.getToken().catch((error: ApiError) => (code = error.code));
    await turn();
    clock.advance(limitMs - 1);
    await turn();
    assert.equal(code, undefined);
    clock.advance(1);
    await turn();
    assert.equal(code, 'timeout');
  }
});

test('a token response of more than 64 KiB is an error', async () => {
  assert.match(guide, /more than 64 KiB/);
  for (const [bytes, code] of [
    [65_536, 'invalid_response'],
    [65_537, 'response_too_large'],
  ] as const) {
    const fetch = async (): Promise<Response> => new Response('x'.repeat(bytes));

    await assert.rejects(createClient({ ...INVENTED, fetch }).fetchToken(), { code });
  }
});

test('after a failure the next token request waits 1 s, doubling to 30 s', async (t) => {
  assert.match(guide, /after 1 s, doubling to 30 s/);
  const clock = fakeClock(t);
  const mock = createMockServer({ startTime: 0 });
  mock.failNext('token', 400, Infinity);
  const { getToken } = createClient({ ...INVENTED, fetch: mock.fetch });
  const pauses: number[] = [];

  for (let second = 0, last = 0; pauses.length < 8; second++, clock.advance(1000)) {
    const count = mock.requests.length;
    await assert.rejects(getToken(), ApiError);
    if (mock.requests.length > count) [last] = [second, pauses.push(second - last)];
  }

  assert.deepEqual(pauses, [0, 1, 2, 4, 8, 16, 30, 30]);
});

/** All Markdown of the repository. */
const PAGES = [
  '.',
  '.github',
  ...['examples', 'test/packages', 'test/workshop'].flatMap(withSubfolders),
].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

function withSubfolders(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  return [folder, ...entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name))];
}

test('the npm scripts that the pages name exist', () => {
  for (const page of PAGES) {
    for (const [, script] of read(page).matchAll(/npm run ([\w:]+)/g))
      assert.ok(npm.scripts[script!], `${page}: ${script}`);
  }
});

test('the files and folders that a maintainer is sent to exist', () => {
  for (const page of ['.github/CONTRIBUTING.md', '.github/DESIGN.md']) {
    const paths = [...read(page).matchAll(/`((?:src|test|examples)\/[\w./-]*)`/g)].map(([, path]) => path!);

    assert.ok(paths.length > 10, page);
    for (const path of paths) assert.ok(existsSync(join(root, path)), `${page}: ${path}`);
  }
});

test('the list of recipes has each example', () => {
  const linked = [...read('examples/README.md').matchAll(/\]\(([\w./-]+)\)/g)].map(([, path]) => path);
  const files = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.ts'));

  assert.deepEqual(
    files.filter((name) => !linked.includes(name)),
    [],
  );
});

test('every relative link and anchor leads somewhere', () => {
  assert.ok(PAGES.length > 15);
  for (const page of PAGES) {
    for (const [, link, picture] of read(page).matchAll(/\]\(([^)\s]+)\)|\bsrc(?:set)?="([^"]+)"/g)) {
      const target = link ?? picture ?? '';
      if (/^https?:/.test(target)) continue;
      const [path, anchor] = target.split('#') as [string, string?];
      const file = path ? join(dirname(page), path) : page;
      assert.ok(existsSync(join(root, file)), `${page}: ${target}`);
      if (anchor) assert.ok(anchorsOf(read(file)).includes(anchor), `${page}: ${target}`);
    }
  }
});

/** As GitHub makes them of headings. */
function anchorsOf(text: string): string[] {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) => title!.toLowerCase());
  return headings.map((title) => title.replace(/[^\w\- ]/g, '').replaceAll(' ', '-'));
}
