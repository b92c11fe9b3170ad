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
export const FIREFOX = { browser: 'firefox', executablePath: '/usr/bin/firefox-esr', headless: true };
