// The built playground, opened from disk in a real browser, and what a test does with it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import puppeteer from 'puppeteer-core';
import { CHROMIUM, FIREFOX, setViewport, waitUntil } from '../../support/quietBrowsers.mjs';

const PAGE = pathToFileURL(join(import.meta.dirname, '../../../.build/playground/index.html')).href;

export function launchChromium() {
  return puppeteer.launch(CHROMIUM);
}

/** Firefox takes its colour scheme from a preference. */
export function launchFirefox(scheme) {
  return puppeteer.launch({
    ...FIREFOX,
    extraPrefsFirefox: { 'layout.css.prefers-color-scheme.content-override': scheme === 'dark' ? 0 : 1 },
  });
}

/**
 * A fresh page that must stay clean: no error, no request but for the file itself, no credential to be read.
 */
export async function openPage(
  t,
  browser,
  { width = 1280, height = 900 } = {},
  scheme = undefined,
  hash = '',
) {
  const raw = await browser.newPage();
  const faults = [];
  raw.on(
    'console',
    (message) => ['error', 'warn', 'warning'].includes(message.type()) && faults.push(message.text()),
  );
  raw.on('pageerror', (error) => faults.push(error.message));
  raw.on('request', (request) => /^(file|data):/.test(request.url()) || faults.push(request.url()));
  await setViewport(raw, { width, height });
  if (scheme) await raw.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await raw.goto(PAGE + hash);
  t.after(async () => {
    const shown = await raw.evaluate(() => document.body.textContent);
    await raw.close();
    assert.deepEqual(faults, []);
    assert.doesNotMatch(shown.replace(/<script.*/s, ''), /mock-access-token-\w|mock-session-token-\w/);
  });
  const counters = () =>
    raw.evaluate(() =>
      Object.fromEntries(
        [...document.querySelectorAll('.counters dd')].map(({ id, textContent }) => [
          id,
          Number(textContent),
        ]),
      ),
    );
  // The first view shows a call that has been made.
  await waitUntil(raw, () => document.querySelector('#log .outcome') !== null);
  return {
    raw,
    // biome-ignore lint/performance/useDomNodeTextContent: what is hidden does not count
    text: (selector) => raw.evaluate((of) => document.querySelector(of).innerText, selector),
    attribute: (selector, name) =>
      raw.evaluate((of, which) => document.querySelector(of).getAttribute(which), selector, name),
    /** What the diagram says, from the top, without the time of day. */
    drawn: () =>
      raw.evaluate(() =>
        [...document.querySelectorAll('#drawn text:not(.step-time)')].map(({ textContent }) => textContent),
      ),
    /** What the log says of the last step: its name, a sentence for each row, its outcome. */
    logged: () =>
      raw.evaluate(() =>
        [...document.querySelector('#log').firstElementChild.children].map(({ textContent }) => textContent),
      ),
    /** Presses a control, and waits until the action has been logged. */
    async press(selector, isAwaited = true) {
      const lines = () => raw.evaluate(() => document.querySelectorAll('#log .outcome').length);
      const before = await lines();
      const isLogged = await raw.evaluate(
        (of) => document.querySelector(of).matches('button, #isSlow, #isDown, #isSame, #isStoreDown'),
        selector,
      );
      await (await raw.$(selector)).click();
      if (isAwaited && isLogged)
        await waitUntil(raw, (count) => document.querySelectorAll('#log .outcome').length > count, before);
      await raw.evaluate(
        () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
      );
    },
    /** Waits for these counters, and for the frame that draws what came with them. */
    async until(expected) {
      const isSo = (wanted) =>
        Object.entries(wanted).every(
          ([id, count]) => document.getElementById(id).textContent === String(count),
        );
      await waitUntil(raw, isSo, expected).catch(async () => assert.deepEqual(await counters(), expected));
      await raw.evaluate(
        () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
      );
    },
  };
}
