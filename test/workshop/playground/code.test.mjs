// The code that the playground offers to copy.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { launchChromium, openPage } from './page.mjs';

const PICKS = [
  '#call',
  '#burst',
  '#fetchToken',
  '#revoke',
  '#isSame',
  '#isDown',
  '#burst',
  '#fetchToken',
  '#call',
  '#isDown',
  '#isSlow',
  '#isSlow',
  '[data-minutes="55"]',
  '[value="discovery:read"]',
  '[value=m2m]',
  '#call',
  '#lapse',
  '#wrongPassword',
  '#call',
  '#rightPassword',
  '#startFleet',
  '#isStoreDown',
  '#startFleet',
  '#isDown',
  '#startFleet',
  '#tryFleet',
  '#tryBurst',
  '#tryRevoke',
  '#tryOutage',
];

test('the code of every control runs as it is, in JavaScript, and is strict TypeScript too', async (t) => {
  const browser = await launchChromium();
  const page = await openPage(t, browser);
  t.after(() => browser.close());
  const folder = join(import.meta.dirname, '.build');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const seen = new Set();
  for (const pick of PICKS) {
    await page.press(pick, false);
    seen.add(await page.raw.evaluate(() => document.querySelector('#code code').textContent));
  }
  assert.ok(seen.size >= 14, `${seen.size} programs`);

  for (const [index, code] of [...seen].entries()) {
    writeFileSync(join(folder, `code${index}.ts`), `${code}export {};\n`);
    writeFileSync(join(folder, `try${index}.mjs`), code);
    // Nothing but what is in the page: no variable is set, and nothing leaves the process.
    const output = execFileSync(process.execPath, [join(folder, `try${index}.mjs`)], {
      encoding: 'utf8',
      env: {},
    });
    const expected =
      code.includes('endpoint is down') && !code.includes('Date.now')
        ? /gateway_fault|^0 answered/
        : /^(200 |200$|100 answered|3 answered|\d{4}$|session_refused)/m;
    assert.match(output, expected, code);
  }
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'], { stdio: 'inherit' });
});
