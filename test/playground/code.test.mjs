// The code that the playground offers to copy.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { transform } from 'esbuild';
import { createMockServer } from 'thingspace-auth/testing';
import { launchChromium, openPage } from './page.mjs';

test('the code of every control type-checks and runs', async (t) => {
  const browser = await launchChromium();
  const page = await openPage(t, browser);
  t.after(() => browser.close());
  const folder = join(import.meta.dirname, '.build');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const picks = ['#call', '#burst', '#fetchToken', '#revoke', '#isSame', '#isDown', '#isDown', '#isSlow', '#isSlow', '[data-minutes="55"]', '[value="discovery:read"]', '[value=m2m]', '#call', '#lapse', '#wrongPassword'];
  const seen = new Set();
  for (const pick of picks) {
    await page.press(pick, false);
    seen.add(await page.raw.evaluate(() => document.querySelector('#code code').textContent));
  }
  assert.ok(seen.size >= 11, `${seen.size} programs`);

  const codes = [...seen];
  for (const [index, code] of codes.entries()) writeFileSync(join(folder, `code${index}.ts`), `${code}export {};\n`);
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'], { stdio: 'inherit' });
  const variables = { THINGSPACE_CLIENT_ID: 'invented-key', THINGSPACE_CLIENT_SECRET: 'invented-secret', UWS_USERNAME: 'invented-user', UWS_PASSWORD: 'invented-password' };
  Object.assign(process.env, variables);
  const { now } = Date;
  t.mock.method(console, 'log', () => {});
  for (const [index, code] of codes.entries()) {
    t.mock.method(globalThis, 'fetch', createMockServer().fetch);
    const file = join(folder, `code${index}.mjs`);
    writeFileSync(file, (await transform(code, { loader: 'ts', target: 'es2022' })).code);
    const isDown = code.includes("failNext('token', 503");
    const run = import(pathToFileURL(file).href);
    if (isDown) await assert.rejects(run, { code: 'gateway_fault' });
    else await run;
    Date.now = now;
  }
});
