// Opens a page in a browser that Debian has, with a profile of its own, and says how to end it.
// The page has to send its findings to a server of the test.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QUIET_CHROMIUM } from './quietBrowsers.mjs';

/** Firefox asks its makers for many things at its first start; none of their hosts is reachable in a test. */
const QUIET_FIREFOX = `
user_pref('network.captive-portal-service.enabled', false);
user_pref('network.connectivity-service.enabled', false);
user_pref('datareporting.policy.dataSubmissionEnabled', false);
user_pref('toolkit.telemetry.reportingpolicy.firstRun', false);
user_pref('app.normandy.enabled', false);
user_pref('browser.safebrowsing.malware.enabled', false);
user_pref('browser.safebrowsing.phishing.enabled', false);
user_pref('services.settings.server', 'data:,');
user_pref('browser.shell.checkDefaultBrowser', false);
user_pref('browser.aboutwelcome.enabled', false);
`;

/** The program with which Debian shows WebKitGTK; it needs a display. */
export const WEBKIT = '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser';

/** By name: the command that opens a page with a profile in that folder. */
const BROWSERS = {
  // A headless shell of old opens a page only where somebody could look on.
  chromium: (url, profile) => [
    'chromium',
    '--headless',
    '--remote-debugging-port=0',
    ...QUIET_CHROMIUM,
    `--user-data-dir=${profile}`,
    url,
  ],
  firefox: (url, profile) => {
    writeFileSync(join(profile, 'user.js'), QUIET_FIREFOX);
    return ['firefox-esr', '--headless', '--no-remote', '--profile', profile, url];
  },
  webkit: (url) => ['xvfb-run', '-a', WEBKIT, '--private', url],
};

/**
 * `program` is another build of that browser. The function that it returns ends the browser and removes the
 * profile.
 */
export function openBrowser(name, url, program) {
  const profile = mkdtempSync(join(tmpdir(), `thingspace-auth-${name}-`));
  const [command, ...args] = BROWSERS[name](url, profile);
  const env = { ...process.env, HOME: profile, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' };
  const browser = spawn(program ?? command, args, { env, detached: true, stdio: 'ignore' });
  const ended = Promise.race([once(browser, 'exit'), once(browser, 'error')]);
  return async () => {
    if (browser.pid) process.kill(-browser.pid, 'SIGKILL');
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
}
