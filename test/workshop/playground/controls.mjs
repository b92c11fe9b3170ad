// Presses each control of the playground, and looks at what the page shows.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { waitUntil } from '../../support/quietBrowsers.mjs';
import { openPage } from './page.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const FIRST_CALL = [
  'One call',
  'authorizedFetch',
  'POST token',
  '200',
  'new token #1',
  'GET regions',
  '200',
  '200',
];
const REPLAY = [
  'One call',
  'authorizedFetch',
  'GET regions',
  '401',
  'POST token',
  '200',
  'new token #2',
  'replay: new token',
  'GET regions',
  '200',
  '200',
];

/** What is pressed where the focus stands on a control. */
const PRESSED = { call: 'Enter', edge: 'ArrowDown', revoke: ' ', isSlow: ' ' };

export async function testControls(name, launch) {
  const browser = await launch('light');
  after(() => browser.close());
  /** A page on which nothing has been called yet. */
  const open = async (t, size) => {
    const page = await openPage(t, browser, size);
    await page.press('#restart');
    return page;
  };

  test(`${name}: the first view shows a call that has been made, and four things to try`, async (t) => {
    const page = await openPage(t, browser);
    await page.until({ calls: 1, exchanges: 1, replays: 0 });

    assert.deepEqual(await page.drawn(), FIRST_CALL);
    const inSight = await page.raw.evaluate(() =>
      [...document.querySelectorAll('.next button')].map(
        (button) => button.getBoundingClientRect().bottom < innerHeight,
      ),
    );
    assert.deepEqual(inSight, [true, true, true, true]);
  });

  test(`${name}: to try: a hundred calls without a token`, async (t) => {
    const page = await openPage(t, browser);

    await page.press('#tryBurst');
    await page.until({ calls: 100, exchanges: 1 });

    assert.equal((await page.logged()).at(-1), '100 calls at once: 100 × 200; meanwhile 1 token request.');
  });

  test(`${name}: to try: a revoked token`, async (t) => {
    const page = await openPage(t, browser);

    await page.press('#tryRevoke');
    await page.until({ calls: 2, exchanges: 2, replays: 1 });

    assert.deepEqual((await page.drawn()).slice(8), ['The server revokes the token', ...REPLAY]);
    assert.match(await page.text('#code'), /mock\.revokeAll\(\);/);
  });

  test(`${name}: to try: no new token near the end of the one held`, async (t) => {
    const page = await openPage(t, browser);

    await page.press('#tryOutage');
    await waitUntil(page.raw, () =>
      document.querySelector('#drawn').textContent.includes('refresh ahead failed'),
    );
    await page.until({ calls: 2, exchanges: 4 });

    assert.match(await page.text('#log'), /One call: 1 × 200/);
    assert.equal(await page.raw.evaluate(() => document.querySelector('#isDown').checked), true);
    assert.match(await page.text('#life-text'), /^Token #1: (4:00|3:5\d) left\.$/);
    await page.press('#tryRevoke'); // brings the endpoint up again
    await page.until({ calls: 2, exchanges: 2, replays: 1 });
  });

  test(`${name}: the log tells every row of the picture`, async (t) => {
    const page = await open(t);
    await page.raw.evaluate(() => {
      Math.random = () => 0;
    });
    await page.press('#call');
    assert.deepEqual(await page.logged(), [
      (await page.logged())[0],
      'Your program calls authorizedFetch.',
      'The client sends POST token to the token endpoint.',
      'The token endpoint answers 200.',
      'Client: new token #1.',
      'The client sends GET regions to the API.',
      'The API answers 200.',
      'Your program gets 200.',
      'One call: 1 × 200; meanwhile 1 token request.',
    ]);
    await page.press('[data-minutes="55"]');
    await page.press('[data-minutes="20"]');
    await page.press('#isDown');
    await page.press('#burst');

    const rows = (await page.drawn()).slice((await page.drawn()).indexOf('100 calls at once') + 1);
    const [step, ...told] = await page.logged();
    assert.match(step, /^100 calls at once, \d\d:\d\d:\d\d$/);
    assert.equal(told.length, rows.length + 1);
    for (const [index, row] of rows.entries()) {
      const [, label, count] = /^(.*?)(?: ×(\d+))?$/.exec(row);
      assert.ok(told[index].includes(label) && told[index].includes(count ?? ''), `${row}: ${told[index]}`);
    }
    assert.deepEqual(
      told.filter((line) => line.includes('retry')),
      ['Client: retry 1 in 0.0 s.', 'Client: retry 2 in 0.0 s.'],
    );
    assert.equal(told.at(-1), '100 calls at once: 100 × gateway_fault; meanwhile 3 token requests.');
  });

  test(`${name}: the terms in the picture are told below it`, async (t) => {
    const page = await open(t);
    const terms = () =>
      page.raw.evaluate(() =>
        [...document.querySelectorAll('#terms dt')].map(({ textContent }) => textContent),
      );
    assert.deepEqual(await terms(), []);

    await page.press('#isDown');
    await page.press('#call');

    assert.deepEqual(await terms(), ['retry', 'gateway_fault', 'token failed']);
    await page.press('#isDown');
    await page.press('#wrongPassword');
    assert.ok((await terms()).includes('logins stopped'));
  });

  test(`${name}: one call fetches a token, the next one uses it`, async (t) => {
    const page = await open(t);

    await page.press('#call');
    await page.until({ calls: 1 });
    assert.deepEqual(await page.drawn(), FIRST_CALL);
    await page.press('#call');
    await page.until({ calls: 2, exchanges: 1, replays: 0, logins: 0 });
    assert.deepEqual((await page.drawn()).slice(8), [
      'One call',
      'authorizedFetch',
      'GET regions',
      '200',
      '200',
    ]);
    assert.match(await page.text('#life-text'), /^Token #1: (60:00|59:5\d) left\.$/);
  });

  test(`${name}: a hundred calls share one token request`, async (t) => {
    const page = await open(t);

    await page.press('#burst');
    await page.until({ calls: 100, exchanges: 1 });

    const drawn = await page.drawn();
    assert.ok(
      drawn.includes('authorizedFetch ×100') &&
        drawn.includes('GET regions ×100') &&
        drawn.at(-1) === '200 ×100',
      drawn.join(),
    );
    assert.match(await page.text('#log'), /^100 calls at once: 100 × 200; meanwhile 1 token request\.$/m);
  });

  test(`${name}: fetchToken always asks; the server repeats the token, or brings another when told to`, async (t) => {
    const page = await open(t);
    await page.press('#fetchToken');
    await page.until({ exchanges: 1, calls: 0 });

    await page.press('#fetchToken');
    await page.until({ exchanges: 2 });
    assert.ok((await page.drawn()).includes('same token #1'));
    assert.match(await page.text('#life-text'), /The server repeats it/);
    await page.press('#isSame');
    await page.press('#fetchToken');
    await page.until({ exchanges: 3 });

    assert.ok((await page.drawn()).includes('new token #2'));
  });

  test(`${name}: a revoked token costs one token request and a replay`, async (t) => {
    const page = await open(t);
    await page.press('#call');
    await page.until({ calls: 1 });

    await page.press('#revoke');
    await page.press('#call');
    await page.until({ calls: 2, exchanges: 2, replays: 1 });

    assert.deepEqual((await page.drawn()).slice(-REPLAY.length), REPLAY);
  });

  test(`${name}: a token endpoint that is down fails the call after three tries, and calls go on when it is up`, async (t) => {
    const page = await open(t);
    // Equal delays, as chance brings them at times: each retry is a row of its own all the same.
    await page.raw.evaluate(() => {
      Math.random = () => 0;
    });
    await page.press('#isDown');
    await page.press('#call');
    await page.until({ calls: 1, exchanges: 3 });
    const drawn = await page.drawn();
    assert.equal(drawn.at(-1), 'gateway_fault');
    assert.deepEqual(
      drawn.filter((text) => text.startsWith('retry')),
      ['retry 1 in 0.0 s', 'retry 2 in 0.0 s'],
    );

    await page.press('#isDown');
    await page.press('#fetchToken');
    await page.press('#call');

    await page.until({ calls: 2, exchanges: 4 });
  });

  test(`${name}: a slow token endpoint is waited for`, async (t) => {
    const page = await open(t);
    // The two seconds last until the test has looked: a slow machine may take longer to.
    await page.raw.evaluate(() => {
      const start = window.setTimeout;
      window.setTimeout = (act, ms, ...rest) =>
        ms === 2000 ? void (window.answer = act) : start(act, ms, ...rest);
    });
    await page.press('#isSlow');
    await page.press('#call', false);
    await waitUntil(page.raw, () => document.querySelector('#drawn').textContent.includes('POST token'));
    assert.deepEqual((await page.drawn()).slice(-2), ['authorizedFetch', 'POST token']);

    await page.raw.evaluate(() => window.answer());
    await waitUntil(page.raw, () => document.querySelector('#log').textContent.includes('One call: 1 × 200'));
    await page.until({ calls: 1, exchanges: 1 });

    assert.equal((await page.drawn()).at(-1), '200');
  });

  test(`${name}: an M2M call logs in, and again after a lapse`, async (t) => {
    const page = await open(t);
    await page.press('[value=m2m]');
    await page.press('#call');
    await page.until({ calls: 1, exchanges: 1, logins: 1 });

    await page.press('#lapse');
    await page.press('#call');
    await page.until({ calls: 2, exchanges: 1, logins: 2, replays: 1 });

    assert.ok((await page.drawn()).includes('replay: new session'));
  });

  test(`${name}: a wrong password is sent once, and a refusal stays until the right one is deployed`, async (t) => {
    const page = await open(t);

    await page.press('#wrongPassword');
    await page.until({ calls: 5, logins: 1 });

    const drawn = await page.drawn();
    assert.ok(drawn.includes('logins stopped'));
    assert.equal(drawn.filter((text) => text === 'session_refused').length, 5);
    await page.press('#call');
    await page.until({ calls: 6, logins: 1 });
    assert.equal((await page.drawn()).at(-1), 'session_refused');
    await page.press('#wrongPassword');
    await page.until({ calls: 11, logins: 1 });
    await page.press('#rightPassword');
    await page.press('#call');
    await page.until({ calls: 12, logins: 2 });
    assert.equal((await page.drawn()).at(-1), '200');
  });

  test(`${name}: three processes with one store make one token request, and go on without a store`, async (t) => {
    const page = await openPage(t, browser);

    await page.press('#tryFleet');
    await page.until({ calls: 3, exchanges: 1 });
    await waitUntil(page.raw, () => document.querySelectorAll('#log .outcome').length > 2);
    const drawn = await page.drawn();
    assert.equal(drawn.filter((text) => text === 'token from the store').length, 2);
    assert.equal(drawn.filter((text) => text === 'GET regions').length, 3);
    const told = (await page.logged()).join('\n');
    assert.match(told, /^Process 1 asks the store: whose turn\?\nThe store answers process 1: nobody’s\.$/m);
    await page.press('#startFleet');
    await page.until({ calls: 6, exchanges: 1 });
    await page.press('#isStoreDown');
    await page.press('#startFleet');
    await page.until({ calls: 9, exchanges: 4 });

    assert.ok((await page.drawn()).some((text) => text.startsWith('store failed: ECONNREFUSED')));
    assert.match(await page.text('#log'), /^Three processes start and call: 3 × 200; meanwhile 3 token/m);
    await page.press('#isDown');
    await page.press('#startFleet');
    await page.until({ calls: 12, exchanges: 13 });
    const failures = (await page.logged()).filter((line) => line.includes('token failed'));
    assert.deepEqual(failures.sort(), [
      'Process 1: token failed.',
      'Process 2: token failed.',
      'Process 3: token failed.',
    ]);
    await page.press('#isDown');
    // A single program has lifelines of its own.
    await page.press('#call');
    await page.until({ calls: 1, exchanges: 1 });
    assert.deepEqual(await page.drawn(), FIRST_CALL);
  });

  test(`${name}: a link shows again what was pressed`, async (t) => {
    const page = await openPage(t, browser);
    await page.press('#isSame');
    await page.press('#revoke');
    await page.press('[value=m2m]');
    await page.press('#call');
    await page.until({ calls: 2, exchanges: 2, logins: 2 });
    const link = await page.raw.evaluate(() => document.querySelector('#link').href);
    assert.match(link, /#isSame,revoke,m2m,call$/);
    const before = await page.drawn();

    const other = await openPage(t, browser, undefined, undefined, new URL(link).hash);
    await other.until({ calls: 2, exchanges: 2, logins: 2 });

    assert.deepEqual(await other.drawn(), before);
    assert.deepEqual(
      await other.raw.evaluate(() => [
        document.querySelector('#m2m').checked,
        document.querySelector('#isSame').checked,
        scrollY,
      ]),
      [true, false, 0],
    );
  });

  test(`${name}: the clock moves the token through its life`, async (t) => {
    const page = await open(t);
    await page.press('#call');
    await page.until({ calls: 1 });
    assert.equal(Number(await page.attribute('#life', 'aria-valuenow')), 0);

    await page.press('[data-minutes="55"]');
    assert.match(await page.text('#life-text'), /^Token #1: (5:00|4:5\d) left\.$/);
    assert.equal(Number(await page.attribute('#life', 'aria-valuenow')), 92);
    await page.press('#call');
    await page.until({ calls: 2, exchanges: 2 });
    // Refreshed ahead, beside the call: the token may come after the call's answer.
    await waitUntil(page.raw, () => document.querySelector('#drawn').textContent.includes('same token #1'));
    await page.press('[data-minutes="20"]');
    assert.match(await page.text('#life-text'), /^Token #1 has ended/);
    await page.press('#call');
    await page.until({ calls: 3, exchanges: 3 });

    assert.match(await page.text('#life-text'), /^Token #2: /);
  });

  test(`${name}: other scopes are another client, whose code they are in`, async (t) => {
    const page = await open(t);
    await page.press('#call');
    await page.until({ calls: 1 });

    await page.press('[value="serviceprofile:read"]');

    assert.match(await page.text('#life-text'), /^No token yet/);
    assert.match(
      await page.text('#code'),
      /oauthScopes: \[OauthScopeEnum\.Discoveryread, OauthScopeEnum\.Serviceprofileread\]/,
    );
    await page.press('#call');
    await page.until({ calls: 2, exchanges: 2 });
  });

  test(`${name}: starting afresh forgets everything`, async (t) => {
    const page = await open(t);
    await page.press('#burst');
    await page.until({ calls: 100 });

    await page.press('#restart');
    await page.until({ calls: 0, exchanges: 0 });

    assert.deepEqual(await page.drawn(), []);
    assert.match(await page.text('#life-text'), /^No token yet/);
    await page.press('#call');
    await page.until({ calls: 1, exchanges: 1 });
  });

  test(`${name}: the code goes to the clipboard, and is selected where the browser keeps that to itself`, async (t) => {
    const page = await open(t);
    await page.raw.evaluate(() =>
      Object.defineProperty(navigator, 'clipboard', {
        value: { writeText: async (text) => void (window.copied = text) },
      }),
    );
    await page.press('#copy');
    assert.equal(
      await page.raw.evaluate(() => window.copied),
      await page.raw.evaluate(() => document.querySelector('#code code').textContent),
    );

    const other = await open(t);
    await other.raw.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
    await other.press('#copy');

    const selected = await other.raw.evaluate(() => getSelection().toString().trim());
    assert.equal(
      selected,
      (await other.raw.evaluate(() => document.querySelector('#code code').textContent)).trim(),
    );
  });

  test(`${name}: works by keyboard alone, with the focus in sight`, async (t) => {
    const page = await openPage(t, browser);
    const reached = new Set();
    for (let count = 0; count < 70; count++) {
      await page.raw.keyboard.press('Tab');
      const { id, outline } = await page.raw.evaluate(() => {
        const element = document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        return {
          id:
            element === document.body
              ? undefined
              : element.id || element.dataset.minutes || element.value || element.href,
          outline: `${outlineStyle} ${parseFloat(outlineWidth) >= 2}`,
        };
      });
      if (id === undefined) break; // beyond the last control
      assert.equal(outline, 'solid true', id);
      reached.add(id);
      const key = PRESSED[id];
      if (key) await page.raw.keyboard.press(key);
    }

    const ids = [
      'tryBurst',
      'tryRevoke',
      'tryOutage',
      'tryFleet',
      'call',
      'startFleet',
      'burst',
      'fetchToken',
      'restart',
      'rows',
      'revoke',
      'lapse',
      'wrongPassword',
      'rightPassword',
      'isSlow',
      'isDown',
      'isSame',
      'isStoreDown',
      'minutes5',
      'minutes20',
      'minutes55',
      'discovery:read',
      'write',
      'copy',
      'code',
      'log',
    ];
    for (const id of ids) assert.ok(reached.has(id), `${id} cannot be reached`);
    await page.until({ calls: 2, exchanges: 1 });
    assert.equal(await page.raw.evaluate(() => document.querySelector('[name=api]:checked').value), 'm2m');
    assert.ok((await page.drawn()).includes('The server revokes the token'));
    assert.equal(await page.raw.evaluate(() => document.querySelector('#isSlow').checked), true);
  });

  test(`${name}: at 360 px nothing is cut off and nothing scrolls sideways`, async (t) => {
    const page = await open(t, { width: 360, height: 740 });
    await page.press('#wrongPassword');
    await page.press('#burst');
    await page.until({ calls: 105 });
    await page.press('#revoke');
    await page.press('#isDown');
    await page.press('#call');
    await page.until({ calls: 106 });

    const { overflow, cut } = await page.raw.evaluate(() => {
      const box = document.querySelector('#rows').getBoundingClientRect();
      const texts = [...document.querySelectorAll('figure svg text, figure svg rect')];
      const isCut = (element) => {
        const { left, right } = element.getBoundingClientRect();
        return left < box.left - 1 || right > box.right + 1;
      };
      return {
        overflow: document.documentElement.scrollWidth - innerWidth,
        cut: texts.filter(isCut).map(({ textContent }) => textContent),
      };
    });
    assert.ok(overflow <= 0, `${overflow} px too wide`);
    assert.deepEqual(cut, []);
  });

  test(`${name}: on a desk the log is as tall as what it says, down to the last control`, async (t) => {
    const page = await open(t);
    const bottoms = () =>
      page.raw.evaluate(() => {
        const bottomOf = (selector) =>
          Math.round(document.querySelector(selector).getBoundingClientRect().bottom);
        return {
          line: bottomOf('#log > :last-child'),
          log: bottomOf('#log'),
          panel: bottomOf('.log .panel'),
          controls: bottomOf('.controls'),
        };
      });
    await page.press('#call');
    const short = await bottoms();
    assert.ok(short.panel - short.line < 24 && short.panel < short.controls, JSON.stringify(short));

    for (let count = 0; count < 12; count++) await page.press('#call');

    const long = await bottoms();
    assert.ok(long.line > long.controls, JSON.stringify(long));
    assert.equal(long.panel, long.controls);
    assert.ok(long.panel - long.log < 24, JSON.stringify(long));
  });

  test(`${name}: on a phone the picture stays in sight of every button`, async (t) => {
    const page = await open(t, { width: 390, height: 740 });
    const unseen = await page.raw.evaluate(() => {
      const isInSight = (element) => {
        const { top, bottom } = element.getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight + 1; // positions are fractions of a pixel
      };
      const buttons = [...document.querySelectorAll('.controls :is(button, input)')];
      return buttons
        .filter((button) => {
          button.scrollIntoView({ block: 'end' });
          return !isInSight(button) || !isInSight(document.querySelector('#rows'));
        })
        .map(({ id, value }) => id || value);
    });

    assert.deepEqual(unseen, []);
  });

  test(`${name}: on a phone the meanings of the terms are shown in full`, async (t) => {
    const page = await open(t, { width: 390, height: 740 });
    await page.press('#isDown');
    await page.press('#call');
    await page.press('#wrongPassword');

    const { hiddenPx, tooWide, count } = await page.raw.evaluate(() => {
      const box = document.querySelector('#meanings');
      const meanings = [...box.querySelectorAll('dd')];
      return {
        hiddenPx: box.scrollHeight - box.clientHeight,
        tooWide: meanings.filter((meaning) => meaning.getBoundingClientRect().right > innerWidth).length,
        count: meanings.length,
      };
    });
    assert.ok(count >= 3);
    assert.deepEqual([hiddenPx, tooWide], [0, 0]);
  });

  test(`${name}: what to try next says that it begins afresh, before and after`, async (t) => {
    const page = await open(t);
    await page.press('#call');
    assert.match(
      await page.text('.next .hint'),
      /begins afresh: without a token, and with the counters at 0/,
    );

    await page.press('#tryBurst');

    await page.until({ calls: 100, exchanges: 1 });
    assert.match(await page.text('#log'), /Started afresh: no token, no session, counters at 0\./);
  });

  test(`${name}: links lead to the package, the reference and the vendor`, async (t) => {
    const page = await open(t);
    const hosts = await page.raw.evaluate(() =>
      [...document.querySelectorAll('nav a')].map(({ href }) => new URL(href).host),
    );

    assert.deepEqual(hosts, ['www.npmjs.com', 'jsr.io', 'thingspace.verizon.com']);
  });

  for (const scheme of ['light', 'dark']) {
    test(`${name}: axe finds nothing in the ${scheme} scheme`, async (t) => {
      const own = name === 'Firefox' && scheme === 'dark' ? await launch('dark') : browser;
      const page = await openPage(t, own, undefined, name === 'Chromium' ? scheme : undefined);
      if (own !== browser) t.after(() => own.close());
      await page.press('#isDown');
      await page.press('#call');
      await page.until({ calls: 2 });
      assert.equal(
        await page.raw.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches),
        scheme === 'dark',
      );

      await page.raw.evaluate(AXE);
      const { violations, passes } = await page.raw.evaluate(() => axe.run());

      assert.ok(passes.length > 20);
      assert.deepEqual(
        violations.map(({ id, nodes }) => [id, ...nodes.map(({ target }) => target.join())]),
        [],
      );
    });
  }
}
