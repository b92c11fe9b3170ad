import { testControls } from './controls.mjs';
import { launchChromium } from './page.mjs';

await testControls('Chromium', launchChromium);
