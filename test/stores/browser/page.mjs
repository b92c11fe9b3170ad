// The contract's cases, to be run one by one in the page.
import { webStore } from 'thingspace-auth/stores/web';
import { storeCases } from '../../storeContract.mjs';
import { casesOptions } from './casesOptions.mjs';

const cases = new Map(storeCases({ ...casesOptions, open: () => webStore(localStorage, { locks: navigator.locks }) }));
globalThis.runCase = (sentence) => cases.get(sentence)();
globalThis.store = webStore(localStorage, { locks: navigator.locks });
