// Runs the tests of the subjects named, as they have been built: `npm run test:one -- guard redirects`.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '../.build/test');
const subjects = process.argv.slice(2);
const files = subjects.map((subject) => join(folder, `${subject}.test.js`));
if (!files.length || !files.every((file) => existsSync(file))) {
  const known = readdirSync(folder).filter((name) => name.endsWith('.test.js'));
  console.error(`Name subjects, of: ${known.map((name) => name.replace('.test.js', '')).join(', ')}`);
  process.exit(1);
}
process.exitCode =
  spawnSync(process.execPath, ['--test', '--test-reporter=spec', ...files], { stdio: 'inherit' }).status ?? 1;
