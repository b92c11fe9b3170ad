// Runs the tests of the subjects named, as they have been built: `npm run test:one -- origins
// call/redirects`.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '../../.build/test');
const subjects = process.argv.slice(2);
const known = readdirSync(folder, { recursive: true })
  .filter((path) => path.endsWith('.test.js'))
  .map((path) => path.replace('.test.js', ''));
const isNamed = (path, subject) => path === subject || path.endsWith(`/${subject}`);
if (!subjects.length || !subjects.every((subject) => known.some((path) => isNamed(path, subject)))) {
  console.error(`Name subjects, of: ${known.sort().join(', ')}`);
  process.exit(1);
}
const files = known
  .filter((path) => subjects.some((subject) => isNamed(path, subject)))
  .map((path) => join(folder, `${path}.test.js`));
const { status } = spawnSync(process.execPath, ['--test', '--test-reporter=spec', ...files], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
