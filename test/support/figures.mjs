// Prints what takes part in a call, as V8 counts it: how many functions with a name, in how many files.
// `npm run figures` measures this checkout, `npm run figures -- FOLDER` another one. Rules of the linter and
// a test hold widths, branches, lengths and names.
import { mkdtempSync, rmSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = resolve(process.argv[2] ?? join(import.meta.dirname, '../..'));

const folder = mkdtempSync(join(root, 'node_modules/.figures-'));
try {
  await buildModules();
  const load = (name) => import(pathToFileURL(join(folder, name)).href);
  const parts = {
    ...(await load('index.js')),
    ...(await load('session.js')),
    ...(await load('testing.js')),
  };
  for (const [title, figure] of await walk(parts, await createCounter()))
    console.log(`${title.padEnd(52)} ${figure}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** One module for each source file, so that V8 can tell them apart. */
async function buildModules() {
  const keepModules = {
    name: 'keep-modules',
    setup(builder) {
      builder.onResolve({ filter: /./ }, ({ kind, path }) =>
        kind === 'entry-point' ? undefined : { path: path.replace(/(^\..*)\.ts$/, '$1.js'), external: true },
      );
    },
  };
  await build({
    absWorkingDir: root,
    entryPoints: ['src/**/*.ts'],
    outdir: folder,
    outbase: 'src',
    bundle: true,
    format: 'esm',
    target: 'es2022',
    plugins: [keepModules],
  });
}

async function walk({ createClient, createSession, createMockServer }, count) {
  const url = 'https://thingspace.verizon.com/api/m2m/v1/accounts';
  const open = async (session) => {
    const mock = createMockServer();
    const credentials = { oauthClientId: 'invented-key', oauthClientSecret: 'invented-secret' };
    const client = createClient({
      clientCredentialsAuthCredentials: credentials,
      fetch: mock.fetch,
      ...(session && { vZM2mToken: session }),
    });
    return { client, mock };
  };
  const login = { username: 'invented-user', password: 'invented-password' };
  const { client, mock } = await open(createSession(login));
  const { client: fresh } = await open();
  const { client: other } = await open(createSession(login));
  await client.authorizedFetch(url);
  return [
    ['functions / files of a call with a token at hand', await count(() => client.authorizedFetch(url))],
    ['… of one renewal', await count(() => fresh.getToken())],
    [
      '… of a call that renews after a 401',
      await count(() => (mock.revokeAll(), client.authorizedFetch(url))),
    ],
    ['… of a first call, with its session', await count(() => other.authorizedFetch(url))],
  ];
}

/** @returns a function that counts the functions with a name, and their files, that run in one call */
async function createCounter() {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  const isOurs = ({ url }) => url.includes(folder) && !url.includes(`${folder}/testing`);
  return async (run) => {
    await session.post('Profiler.takePreciseCoverage');
    await run();
    const { result } = await session.post('Profiler.takePreciseCoverage');
    const counted = result.filter(isOurs).map(({ functions }) => functions.filter(hasRun).length);
    const files = counted.filter((number) => number > 0);
    return `${files.reduce((sum, number) => sum + number, 0)} / ${files.length}`;
  };
}

function hasRun({ functionName, ranges }) {
  return functionName !== '' && ranges[0].count > 0;
}
