import { launchFirefox } from './browser.mjs';
import { testInBrowser } from './inBrowser.mjs';

await testInBrowser('Firefox', launchFirefox);
