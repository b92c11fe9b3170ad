// The browsers that Debian has, started so that they ask their makers for nothing.

export const QUIET_CHROMIUM = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

/** What puppeteer launches. */
export const CHROMIUM = { executablePath: '/usr/bin/chromium', args: ['--headless', ...QUIET_CHROMIUM] };
export const FIREFOX = {
  browser: 'firefox',
  executablePath: '/usr/bin/firefox-esr',
  headless: true,
  defaultViewport: null,
};

/** Sizes a tab. Firefox ESR 140 has no screen orientation, which puppeteer sets beside the size. */
export async function setViewport(tab, size) {
  await tab.setViewport(size).catch((error) => {
    if (!error.message.includes('unknown command emulation.setScreenOrientationOverride')) throw error;
  });
}

/**
 * Waits until `condition` holds in a tab or frame. Puppeteer's own wait evaluates text, which a page's policy
 * may forbid.
 */
export async function waitUntil(frame, condition, argument) {
  for (const endMs = Date.now() + 20_000; Date.now() < endMs; ) {
    if (await frame.evaluate(condition, argument).catch(ifGone)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`this did not come to hold: ${condition}`);
}

/** The document may give way to another one while it is asked. */
function ifGone(error) {
  if (!/context|realm|navigat|detached|no such frame/i.test(error.message)) throw error;
}
