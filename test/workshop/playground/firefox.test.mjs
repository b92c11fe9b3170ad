import { testControls } from './controls.mjs';
import { launchFirefox } from './page.mjs';

await testControls('Firefox', launchFirefox);
