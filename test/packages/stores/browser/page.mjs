// The page's part of the test: it answers for a store, by a handle of its own for each call.
import { webStore } from 'thingspace-auth/stores/web';
import { callStore } from '../remoteStore.mjs';

globalThis.callStore = (method, args) =>
  callStore(webStore(localStorage, { locks: navigator.locks }), method, args);
