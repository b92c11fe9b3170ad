import { launchChromium } from './browser.mjs';
import { testInBrowser } from './inBrowser.mjs';

await testInBrowser('Chromium', launchChromium);
