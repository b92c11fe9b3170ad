// A real browser, and what the tests ask it about a page.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import puppeteer from 'puppeteer-core';
import { CHROMIUM, FIREFOX, setViewport } from '../../support/quietBrowsers.mjs';
import { BASE } from './builtSite.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export function launchChromium() {
  return puppeteer.launch(CHROMIUM);
}

export function launchFirefox() {
  return puppeteer.launch(FIREFOX);
}

/** A tab that notes what goes wrong in it: errors of scripts, and requests to another host. */
export async function openTab(browser, site) {
  const tab = await browser.newPage();
  const faults = [];
  tab.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  tab.on('pageerror', (error) => faults.push(error.message));
  tab.on('request', (request) => isForeign(request.url(), site) && faults.push(request.url()));
  return {
    tab,
    faults,
    async go(path) {
      await tab.goto(`${site.origin}${BASE}${path}`);
      // VitePress has come to life when its search can be opened.
      await tab.waitForSelector('#VPContent');
    },
    evaluate: (...work) => tab.evaluate(...work),
    setWidth: (width) => setViewport(tab, { width, height: 900 }),
    setDark: (isDark) =>
      tab.evaluate(async (isOn) => {
        const still = document.createElement('style');
        still.textContent = '* { transition: none !important }';
        document.head.append(still);
        document.documentElement.classList.toggle('dark', isOn);
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      }, isDark),
    focused: () => tab.evaluate(describeFocus),
  };
}

function isForeign(url, { origin }) {
  return !url.startsWith(`${origin}/`) && !/^(?:data|blob|about):/.test(url);
}

function describeFocus() {
  const { activeElement: element } = document;
  return (element.getAttribute('aria-label') ?? element.textContent).trim();
}

/** How many pixels of the page are beyond its right edge. */
export function measureOverflow({ evaluate }) {
  return evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** What axe counts as serious or worse; with `rules`, by these only. */
export async function findBarriers({ evaluate }, rules) {
  if (!(await evaluate(() => 'axe' in window))) await evaluate(AXE);
  return evaluate(async (only) => {
    const { violations } = await axe.run(document, {
      iframes: false,
      resultTypes: ['violations'],
      ...(only && { runOnly: only }),
    });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ target }) => target.join(' '))}`);
  }, rules);
}
