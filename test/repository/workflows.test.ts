/** The workflows, as seen by somebody who wants to misuse them. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../..');
const folder = join(root, '.github/workflows');
const workflows = readdirSync(folder).map((name) => ({
  name,
  text: readFileSync(join(folder, name), 'utf8'),
}));

/** The jobs of a workflow, by their names: all lines that stand deeper. */
function jobsOf(text: string): Map<string, string> {
  const [, jobs = ''] = text.split(/^jobs:\n/m);
  const parts = jobs.split(/^ {2}(?=\w+:$)/m).filter((part) => part.trim());
  return new Map(parts.map((part) => [part.slice(0, part.indexOf(':')), part]));
}

test('each action is pinned to a commit, with its version beside it', () => {
  for (const { name, text } of workflows) {
    const used = [...text.matchAll(/uses: (.*)/g)].map(([, action]) => action!);

    assert.ok(used.length > 0, name);
    for (const action of used.filter((each) => !each.startsWith('./')))
      assert.match(action, /^[\w-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, name);
  }
});

test('no checkout leaves its token on the disk', () => {
  for (const { name, text } of workflows) {
    const checkouts = text.match(/uses: actions\/checkout@/g)?.length ?? 0;
    const without = text.match(/persist-credentials: false/g)?.length ?? 0;

    assert.equal(without, checkouts, name);
  }
});

test('each workflow says what it may do', () => {
  for (const { name, text } of workflows) assert.match(text, /^permissions:/m, name);
});

test('a job of the release that has an identity or a secret installs nothing that runs, and builds nothing', () => {
  const jobs = jobsOf(workflows.find(({ name }) => name === 'release.yml')!.text);
  const trusted = [...jobs].filter(([, text]) => /id-token: write|secrets\.|contents: write/.test(text));

  assert.deepEqual(
    trusted.map(([name]) => name),
    ['npm', 'jsr', 'announce'],
  );
  for (const [name, text] of trusted) {
    for (const [line] of text.matchAll(/npm (?:ci|install|run|test).*/g))
      assert.match(line, /--ignore-scripts/, name);
    assert.doesNotMatch(text, /node build|npx /, name);
  }
  assert.match(readFileSync(join(root, '.ci/release'), 'utf8'), /npm publish .* --ignore-scripts/);
});

test('Dependabot looks after each folder that has a lock file', () => {
  const dependabot = readFileSync(join(root, '.github/dependabot.yml'), 'utf8');
  const listed = [...dependabot.matchAll(/^ {6}- \/(\S*)/gm)].map(([, path]) => path!.replace(/\/?\*$/, ''));

  assert.deepEqual(listed, ['', 'test/packages', 'test/workshop']);
  for (const path of listed.filter(Boolean)) {
    for (const name of readdirSync(join(root, path)))
      assert.ok(existsSync(join(root, path, name, 'package-lock.json')), `${path}/${name}`);
  }
});
