// Looks at every page in a real browser, and uses the site with keys alone.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { waitUntil } from '../../support/quietBrowsers.mjs';
import { findBarriers, measureOverflow, openTab } from './browser.mjs';
import { BASE, readPages, serveSite } from './builtSite.mjs';
import { SCENARIOS } from './pages/scenarios.mjs';

/** What someone looks for, and the pages that answer, some with their part. */
const SEARCHES = [
  ['gateway_fault', 'errors.html#gateway_fault'],
  ['fileStore', 'reference/stores/file.html#fileStore'],
  ['oauthClockSkew', 'options.html#clientCredentialsAuthCredentials.oauthClockSkew'],
  ['lock the account', 'security.html', 'recipes/m2m-devices.html', 'guide/session.html'],
  ['why do I get gateway_fault', 'errors.html#gateway_fault'],
  ['keep the token in Redis', 'guide/stores.html'],
  ['timed out', 'errors.html#timeout'],
  ['self signed certificate', 'errors.html'],
  ['rate limit', 'recipes/thingspace-errors.html'],
  ['UWS verification failure', 'recipes/thingspace-errors.html'],
  ['ERR_REQUIRE_ESM', 'guide/slips.html#commonjs'],
  ['mTLS', 'recipes/#networks'],
  ['Kubernetes', 'recipes/workload-identity.html'],
  ['simple-oauth2', 'recipes/coming-from.html'],
];
const FIRST_RESULTS = 8;

/** What the playground counts at the end of a scenario. */
const COUNTS = {
  stampede: { calls: 100, exchanges: 1 },
  revoked: { calls: 2, exchanges: 2, replays: 1 },
  outage: { calls: 2, exchanges: 4, replays: 0 },
  lapse: { calls: 2, exchanges: 1, logins: 2, replays: 1 },
  latch: { calls: 5, logins: 1 },
  fleet: { calls: 3, exchanges: 1 },
};

export async function testInBrowser(name, launch) {
  const browser = await launch();
  const site = await serveSite();
  after(async () => {
    await browser.close();
    site.close();
  });

  async function open(t, path, width = 1280) {
    const page = await openTab(browser, site);
    t.after(() => page.tab.close());
    await page.setWidth(width);
    await page.go(path);
    return page;
  }

  test(`${name}: every page is whole: wide and light, narrow and dark`, async (t) => {
    const page = await openTab(browser, site);
    t.after(() => page.tab.close());
    const found = [];
    for (const path of readPages().keys()) {
      await page.setWidth(1280);
      await page.go(path);
      const faults = [
        ...(await faultsAt(1280, page)),
        ...(await overflowAt(960, page)),
        ...(await overflowAt(768, page)),
        ...(await faultsAt(390, page)),
        ...page.faults.splice(0),
      ];
      found.push(...faults.map((fault) => `${path}: ${fault}`));
    }

    assert.equal(found.join('\n'), '');
  });

  test(`${name}: with keys one gets past the navigation, into the search, and to what is found`, async (t) => {
    const page = await open(t, '');
    const { keyboard } = page.tab;

    await keyboard.press('Tab');
    assert.equal(await page.focused(), 'Skip to content');
    await keyboard.press('Tab');
    assert.equal(await page.focused(), 'thingspace-auth');
    await keyboard.press('Tab');
    assert.match(await page.focused(), /^Search/);
    await keyboard.press('Enter');
    await page.tab.waitForSelector('#localsearch-input');
    await keyboard.type('gateway_fault');
    await page.tab.waitForSelector('#localsearch-list .result');
    await keyboard.press('Enter');
    await waitUntil(page.tab, () => !document.querySelector('#localsearch-input'));
    await waitForPage(page, 'errors.html#gateway_fault');
  });

  test(`${name}: one sees where the keyboard is`, async (t) => {
    const page = await open(t, '');
    for (let count = 0; count < 12; count++) {
      await page.tab.keyboard.press('Tab');
      const outline = await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        return `${outlineStyle} ${outlineWidth}`;
      });
      assert.equal(outline, 'solid 3px', await page.focused());
    }
  });

  for (const [words, ...answers] of SEARCHES) {
    test(`${name}: the search finds "${words}"`, async (t) => {
      const page = await open(t, '');
      await page.tab.click('.DocSearch-Button');
      await page.tab.waitForSelector('#localsearch-input');
      await page.tab.type('#localsearch-input', words);
      await page.tab.waitForSelector('#localsearch-list .result');
      // The list is drawn again a moment after the last key.
      await new Promise((resolve) => setTimeout(resolve, 500));

      const found = await page.evaluate(() =>
        [...document.querySelectorAll('#localsearch-list .result')].map(({ href }) => href),
      );
      const first = found.slice(0, FIRST_RESULTS).map((href) => href.split(BASE)[1]);

      for (const answer of answers)
        assert.ok(
          first.some((path) => path.startsWith(answer)),
          `${answer} in ${first.join(' ')}`,
        );
      assert.deepEqual(page.faults, []);
    });
  }

  test(`${name}: on a phone keys open the menu, and its links lead on`, async (t) => {
    const page = await open(t, 'errors.html', 390);
    await page.tab.focus('.VPNavBarHamburger');
    await page.tab.keyboard.press('Enter');
    await page.tab.waitForSelector('.VPNavScreen');
    await page.tab.focus('.VPNavScreen a[href$="/recipes/"]');
    await page.tab.keyboard.press('Enter');
    await waitForPage(page, 'recipes/');
  });

  test(`${name}: each recipe with a scenario shows what happens, in light and dark`, async (t) => {
    const page = await open(t, '');
    for (const [recipe, scenario] of Object.entries(SCENARIOS)) {
      await page.go(`recipes/${recipe.replace(/^examples\/|\.ts$/g, '')}.html`);
      const frame = await openFrame(page);
      await waitUntil(frame, showsCounts, COUNTS[scenario]);
      for (const _switch of ['on', 'off']) {
        await page.evaluate(() => document.querySelector('.VPSwitchAppearance').click());
        const isDark = await page.evaluate(() => document.documentElement.classList.contains('dark'));
        await waitUntil(frame, hasScheme, isDark);
      }
      assert.deepEqual(await measureFrame(page, frame), { isCut: false, isWide: false }, recipe);
    }
    assert.deepEqual(page.faults, []);
  });

  test(`${name}: the playground is part of its page where there is room for it`, async (t) => {
    const page = await open(t, 'playground.html');
    const frame = await openFrame(page);
    await waitUntil(frame, showsCounts, { calls: 1, exchanges: 1 });

    await frame.evaluate(() => document.querySelector('#tryRevoke').click());
    await waitUntil(frame, showsCounts, { calls: 2, replays: 1 });

    assert.deepEqual(await measureFrame(page, frame), { isCut: false, isWide: false });
    assert.equal(
      await frame.evaluate(() => getComputedStyle(document.querySelector('header')).display),
      'none',
    );
    assert.deepEqual(page.faults, []);
  });

  test(`${name}: on a phone the playground opens as a page of its own, where nothing scrolls within it, and leads back`, async (t) => {
    const page = await open(t, 'playground.html', 390);
    assert.equal(await page.evaluate(() => document.querySelector('iframe').clientHeight), 0);

    await page.tab.click('.open-alone a');
    await page.tab.waitForSelector('#drawn');
    await waitUntil(page.tab, showsCounts, { calls: 1, exchanges: 1 });

    assert.equal(await page.evaluate(() => document.documentElement.className), '');
    assert.deepEqual(page.faults, []);
    await page.tab.click('nav a');
    await waitForPage(page, 'playground.html');
  });

  test(`${name}: on a desk no line of code is cut, with the outline beside it or without`, async (t) => {
    const page = await open(t, '');
    const cut = [];
    for (const path of readPages().keys()) {
      await page.go(path);
      for (const width of [1280, 1600]) {
        await page.setWidth(width);
        const beyondPx = await page.evaluate(() =>
          Math.max(
            0,
            ...[...document.querySelectorAll('.vp-doc pre')].map((pre) => pre.scrollWidth - pre.clientWidth),
          ),
        );
        if (beyondPx) cut.push(`${path} at ${width} px: ${beyondPx} px`);
      }
    }

    assert.equal(cut.join('\n'), '');
  });

  test(`${name}: in a block of code nothing lies on the code`, async (t) => {
    for (const width of [390, 1280]) {
      const page = await open(t, 'guide/get-started.html', width);
      const covered = await page.evaluate(
        () =>
          [...document.querySelectorAll('.vp-doc div[class*="language-"]')].filter((block) => {
            const codeTop = block.querySelector('pre code').getBoundingClientRect().top;
            const [button, language] = ['button.copy', 'span.lang'].map((part) =>
              block.querySelector(part).getBoundingClientRect(),
            );
            return button.bottom > codeTop || language.bottom > codeTop || language.right > button.left;
          }).length,
      );

      assert.equal(covered, 0, `${width} px`);
    }
  });

  test(`${name}: an address without a page says so, and leads back`, async (t) => {
    const page = await openTab(browser, site);
    t.after(() => page.tab.close());
    const response = await page.tab.goto(`${site.origin}${BASE}recipes/nothing-here.html`);

    assert.equal(response.status(), 404);
    await page.tab.waitForSelector('.NotFound a');
    await page.tab.click('.NotFound a');
    await waitForPage(page, '');
  });
}

/** A wide page is looked at in light, and a narrow one in dark. */
async function faultsAt(width, page) {
  await page.setWidth(width);
  await page.setDark(width === 390);
  const barriers = await findBarriers(page, width === 390 && ['color-contrast', 'button-name', 'link-name']);
  return [...barriers.map((fault) => `${width} px: ${fault}`), ...(await overflowAt(width, page))];
}

async function overflowAt(width, page) {
  await page.setWidth(width);
  const overflow = await measureOverflow(page);
  return overflow ? [`${width} px: ${overflow} px too wide`] : [];
}

async function waitForPage({ tab }, path) {
  await waitUntil(tab, (end) => location.href.endsWith(end), `${BASE}${path}`);
}

/** The playground in the page, in sight: a frame far below waits until someone comes near. */
async function openFrame({ tab }) {
  const element = await tab.waitForSelector('iframe.playground');
  await element.evaluate((frame) => frame.scrollIntoView());
  const frame = await element.contentFrame();
  await frame.waitForSelector('#drawn');
  return frame;
}

function showsCounts(wanted) {
  return Object.entries(wanted).every(
    ([id, count]) => document.getElementById(id)?.textContent === String(count),
  );
}

function hasScheme(isDark) {
  return matchMedia('(prefers-color-scheme: dark)').matches === isDark;
}

/** Whether the frame cuts what it shows. Its height follows a moment after its content's. */
async function measureFrame({ tab }, frame) {
  const measure = () =>
    frame.evaluate(() => {
      const { scrollHeight, clientHeight, scrollWidth, clientWidth } = document.documentElement;
      return { isCut: scrollHeight > clientHeight, isWide: scrollWidth > clientWidth };
    });
  await tab.evaluate(() => new Promise((resolve) => setTimeout(resolve, 300)));
  return measure();
}
