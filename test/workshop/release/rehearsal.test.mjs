// A release from the tag to the first program, on a registry of its own: .ci/release in a copy of this
// repository as it will be when it has an address, and then seven package managers as readers. Nothing goes
// outside but JSR's dry run, which asks JSR for nothing that changes it.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { freePort } from '../../support/freePort.mjs';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../../..');
const TOOLS = join(HERE, 'node_modules');
const NODE_24 = join(TOOLS, 'node-24/bin');
const ANSWERED = 30_000;

const scratch = mkdtempSync(join(tmpdir(), 'thingspace-auth-release-'));
const copy = join(scratch, 'copy');
const canary = join(scratch, 'canary.log');
let registry = '';
let token = '';
let server;

before(async () => {
  await startRegistry();
  makeCopy();
});

after(() => {
  server?.kill();
  rmSync(scratch, { recursive: true, force: true });
});

describe('what is not ready is not published', () => {
  test('verify passes for the tag of the version', () => {
    assert.deepEqual(release(['verify']), { status: 0, text: '' });
  });

  for (const [reason, change] of [
    ["The tag is 'v9.9.9'", { tag: 'v9.9.9' }],
    [
      'package.json has no repository',
      { file: 'package.json', edit: (it) => ({ ...it, repository: undefined }) },
    ],
    ['jsr.json does not say', { file: 'jsr.json', edit: (it) => ({ ...it, version: '9.9.9' }) }],
    ['CHANGELOG.md has no part', { file: 'CHANGELOG.md', text: '## [Unreleased]\n' }],
  ]) {
    test(reason, (t) => {
      if (change.file) changeFile(t, change);

      const { status, text } = release(['verify'], { GITHUB_REF_NAME: change.tag });

      assert.equal(status, 1);
      assert.ok(text.startsWith(reason), text);
    });
  }

  test('The tag is not on main.', (t) => {
    git('checkout', '-q', '-b', 'aside');
    git('commit', '-q', '--allow-empty', '-m', 'Aside');
    t.after(() => git('checkout', '-q', 'main'));

    assert.deepEqual(release(['verify'], { GITHUB_REF_NAME: 'v0.1.0' }), {
      status: 1,
      text: 'The tag is not on main.\n',
    });
  });
});

describe('what is packed', () => {
  before(() => assert.deepEqual(release(['pack', packed()]).status, 0));

  test('is a tarball, its SBOM without a dependency, and the notes of this version alone', () => {
    const sbom = JSON.parse(readFileSync(join(packed(), 'thingspace-auth-0.1.0.cdx.json'), 'utf8'));

    assert.deepEqual(readdirSync(packed()).sort(), [
      'notes.md',
      'thingspace-auth-0.1.0.cdx.json',
      'thingspace-auth-0.1.0.tgz',
    ]);
    assert.equal(sbom.metadata.component.purl, 'pkg:npm/thingspace-auth@0.1.0');
    assert.deepEqual(sbom.components, []);
    assert.match(readFileSync(join(packed(), 'notes.md'), 'utf8'), /^\n### Added\n[^]*createClient/);
  });

  test('publint and are-the-types-wrong find nothing', () => {
    const tarball = join(packed(), 'thingspace-auth-0.1.0.tgz');

    assert.match(run(join(TOOLS, '.bin/publint'), ['--strict', tarball]).text, /All good!/);
    assert.equal(run(join(TOOLS, '.bin/attw'), ['--profile', 'esm-only', tarball]).status, 0);
  });

  test('JSR would take the sources', () => {
    const { status, text } = run(join(TOOLS, '.bin/deno'), ['publish', '--dry-run', '--allow-dirty'], copy);

    assert.equal(status, 0, text);
    assert.match(text, /Success Dry run complete/);
    assert.doesNotMatch(text, /src\/command/);
  });
});

describe('npm', () => {
  for (const npm of ['npm-10', 'npm-11']) {
    test(`${npm} publishes no build tool's work with the token at hand, a release as latest, a candidate as next`, () => {
      const name = `0.${npm.slice(4)}.0`;
      for (const version of [name, `${name.replace(/0$/, '1')}-rc.1`]) {
        setVersion(version);
        assert.equal(release(['pack', packed()]).status, 0);
        writeFileSync(canary, '');
        assert.deepEqual(publish(npm).status, 0);
        assert.doesNotMatch(readFileSync(canary, 'utf8'), /with the token/);
      }

      const view = run(npmOf(npm), ['view', 'thingspace-auth', 'dist-tags', '--json'], scratch, publisher());
      assert.deepEqual(JSON.parse(view.text), { latest: name, next: `${name.replace(/0$/, '1')}-rc.1` });
    });

    test(`${npm} leaves alone what is published already`, () => {
      const { status, text } = publish(npm);

      assert.equal(status, 0, text);
      assert.match(text, /^npm has thingspace-auth@.* already\.$/m);
    });
  }

  test('the canary sings: npm publish of the folder runs prepare with the token', () => {
    setVersion('0.99.0');
    writeFileSync(canary, '');

    run(npmOf('npm-11'), ['publish', '--provenance=false', '--tag', 'canary'], copy, publisher());

    assert.match(readFileSync(canary, 'utf8'), /with the token/);
  });
});

describe('readers install it and run the first program', () => {
  before(() => setVersion('0.11.0'));

  test('the step of the release that installs from the registry', () => {
    const { status, text } = release(['install'], { npm_config_registry: registry });

    assert.equal(status, 0, text);
    assert.match(text, /The first program runs\./);
  });

  const registryOf = { npm_config_registry: '{registry}' };
  for (const [name, command, files = {}, env = registryOf, program = []] of [
    ['npm 10', [npmOf('npm-10'), 'install', 'thingspace-auth']],
    ['npm 11', [npmOf('npm-11'), 'install', 'thingspace-auth']],
    // pnpm 11 and later take no version of the last day; a rehearsal's is of the last minute.
    [
      'pnpm',
      [join(TOOLS, '.bin/pnpm'), 'add', 'thingspace-auth'],
      { '.npmrc': 'registry={registry}\n', 'pnpm-workspace.yaml': 'minimumReleaseAge: 0\n' },
    ],
    ['yarn 1', [join(TOOLS, 'yarn-1/bin/yarn.js'), 'add', 'thingspace-auth']],
    [
      'yarn 4',
      [join(TOOLS, 'yarn-4/bin/yarn.js'), 'add', 'thingspace-auth'],
      {
        'yarn.lock': '',
        '.yarnrc.yml':
          'npmRegistryServer: "{registry}"\nunsafeHttpWhitelist: ["127.0.0.1"]\nnpmMinimalAgeGate: 0\nnodeLinker: node-modules\nenableTelemetry: false\n',
      },
      {},
    ],
    [
      'bun',
      [join(TOOLS, '.bin/bun'), 'add', 'thingspace-auth'],
      { 'bunfig.toml': '[install]\nregistry = "{registry}"\n' },
      {},
      [join(TOOLS, '.bin/bun'), '--preload', 'thingspace-auth/testing/global'],
    ],
    [
      'deno',
      [join(TOOLS, '.bin/deno'), 'add', '--minimum-dependency-age=0', 'npm:thingspace-auth'],
      { '.npmrc': 'registry={registry}\n', 'deno.json': '{ "nodeModulesDir": "auto" }' },
      {},
      [join(TOOLS, '.bin/deno'), 'run', '-A', '--preload=npm:thingspace-auth/testing/global'],
    ],
  ]) {
    test(name, () => {
      const folder = mkdtempSync(join(scratch, 'reader-'));
      writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
      for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), withRegistry(text));
      const filled = Object.fromEntries(
        Object.entries(env).map(([key, value]) => [key, withRegistry(value)]),
      );

      const [file, ...args] = command;
      const installed = run(file, args, folder, filled);
      assert.equal(installed.status, 0, installed.text);
      const ran = run(process.execPath, [join(HERE, 'firstProgram.mjs'), folder, ...program], folder);

      assert.equal(ran.status, 0, ran.text);
      assert.match(ran.text, /The first program runs\./);
    });
  }
});

function packed() {
  return join(scratch, 'packed');
}

function withRegistry(text) {
  return text.replaceAll('{registry}', registry);
}

function npmOf(name) {
  return join(TOOLS, name, 'bin/npm-cli.js');
}

/** A registry on the loopback, which asks no other, and a user of it who may publish. */
async function startRegistry() {
  const port = await freePort();
  registry = `http://127.0.0.1:${port}`;
  const anyone = { access: '$all', publish: '$authenticated', unpublish: '$authenticated' };
  const config = {
    storage: join(scratch, 'storage'),
    auth: { htpasswd: { file: join(scratch, 'htpasswd') } },
    uplinks: {},
    packages: { '**': anyone },
    log: { type: 'stdout', format: 'pretty', level: 'warn' },
  };
  // JSON is YAML, too.
  writeFileSync(join(scratch, 'verdaccio.yaml'), JSON.stringify(config));
  const args = [
    join(TOOLS, 'verdaccio/bin/verdaccio'),
    '-c',
    join(scratch, 'verdaccio.yaml'),
    '-l',
    registry,
  ];
  server = spawn(join(NODE_24, 'node'), args, { stdio: ['ignore', 'inherit', 'inherit'] });

  const deadline = Date.now() + ANSWERED;
  while (
    !(await fetch(`${registry}/-/ping`).then(
      (answer) => answer.ok,
      () => false,
    ))
  ) {
    assert.ok(Date.now() < deadline && server.exitCode === null, 'The registry does not answer.');
    await setTimeout(100);
  }
  const made = await fetch(`${registry}/-/user/org.couchdb.user:rehearsal`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: 'rehearsal', password: 'invented-password' }),
  });
  token = (await made.json()).token;
}

/** This repository's files as a clone has them, with what a person adds before a release, and a canary. */
function makeCopy() {
  const { stdout } = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: ROOT,
  });
  for (const path of stdout.toString().split('\0').filter(Boolean)) {
    cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  rmSync(join(copy, 'test/workshop/release'), { recursive: true });
  mkdirSync(join(copy, 'test/workshop'), { recursive: true });
  symlinkSync(HERE, join(copy, 'test/workshop/release'));
  writeFileSync(
    join(copy, 'canary.mjs'),
    `import { appendFileSync } from 'node:fs';
const token = Object.keys(process.env).some((name) => name === 'NODE_AUTH_TOKEN');
appendFileSync(${JSON.stringify(canary)}, \`prepare \${token ? 'with' : 'without'} the token\\n\`);
`,
  );
  const manifest = readJson('package.json');
  const repository = { type: 'git', url: 'git+https://example.com/invented/thingspace-auth.git' };
  const scripts = { ...manifest.scripts, prepare: `node canary.mjs && ${manifest.scripts.prepare}` };
  writeJson('package.json', { ...manifest, repository, scripts });
  const changelog = readFileSync(join(copy, 'CHANGELOG.md'), 'utf8').replace(
    /^## \[.*/m,
    '## [0.1.0] - 2026-12-31',
  );
  writeFileSync(join(copy, 'CHANGELOG.md'), `${changelog}\n## [0.0.1] - 2026-12-30\n\n- Be older.\n`);

  git('init', '-q', '-b', 'main');
  setVersion('0.1.0');
}

/** Commits the version on main, and tags it. */
function setVersion(version) {
  const before = readJson('package.json').version;
  for (const file of ['package.json', 'jsr.json']) writeJson(file, { ...readJson(file), version });
  const changelog = readFileSync(join(copy, 'CHANGELOG.md'), 'utf8');
  writeFileSync(join(copy, 'CHANGELOG.md'), changelog.replace(`## [${before}]`, `## [${version}]`));
  git('add', '-A');
  git('commit', '-q', '--allow-empty', '-m', `Release ${version}`);
  git('tag', '-f', `v${version}`);
  git('update-ref', 'refs/remotes/origin/main', 'HEAD');
}

function publish(npm) {
  const bin = mkdtempSync(join(scratch, 'bin-'));
  symlinkSync(npmOf(npm), join(bin, 'npm'));
  const PATH = [bin, NODE_24, process.env.PATH].join(delimiter);
  return release(['npm', packed(), '--provenance=false'], { ...publisher(), PATH });
}

/** As setup-node leaves it for the job that publishes: npm reads the token from the environment. */
function publisher() {
  const npmrc = join(scratch, 'npmrc');
  writeFileSync(npmrc, `//${new URL(registry).host}/:_authToken=\${NODE_AUTH_TOKEN}\n`);
  return { npm_config_registry: registry, npm_config_userconfig: npmrc, NODE_AUTH_TOKEN: token };
}

function release(args, env = {}) {
  return run(join(copy, '.ci/release'), args, copy, env);
}

/** What a program that is run in a fresh environment prints. */
function run(file, args, cwd = scratch, more = {}) {
  const { PATH } = process.env;
  const env = {
    PATH: [NODE_24, PATH].join(delimiter),
    HOME: join(scratch, 'home'),
    CI: 'true',
    NO_COLOR: '1',
    ...more,
  };
  mkdirSync(env.HOME, { recursive: true });
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd, env, encoding: 'utf8' });
  if (error) throw error;
  return { status, text: `${stdout}${stderr}` };
}

function changeFile(t, { file, edit, text }) {
  const path = join(copy, file);
  const before = readFileSync(path, 'utf8');
  t.after(() => writeFileSync(path, before));
  writeFileSync(path, text ?? JSON.stringify(edit(JSON.parse(before))));
}

function git(...args) {
  const identity = [
    '-c',
    'user.name=Rehearsal',
    '-c',
    'user.email=rehearsal@example.com',
    '-c',
    'tag.gpgSign=false',
  ];
  const { status, stderr } = spawnSync('git', [...identity, ...args], { cwd: copy, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

function readJson(file) {
  return JSON.parse(readFileSync(join(copy, file), 'utf8'));
}

function writeJson(file, value) {
  writeFileSync(join(copy, file), JSON.stringify(value, null, 2));
}
