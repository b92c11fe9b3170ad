// Puts the package as it would be published into node_modules of the private package that runs this:
// packed by npm, unpacked here. A `file:` dependency would be a link to the sources instead.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const target = join(process.cwd(), 'node_modules/thingspace-auth');
const scratch = mkdtempSync(join(tmpdir(), 'thingspace-auth-'));
const report = execFileSync('npm', ['pack', '--json', '--pack-destination', scratch], {
  cwd: root,
  encoding: 'utf8',
});
const { filename } = JSON.parse(report.slice(report.indexOf('[')))[0];
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
execFileSync('tar', ['-xzf', join(scratch, filename), '-C', target, '--strip-components=1']);
rmSync(scratch, { recursive: true });
