// Compiles against Deno's own types.
import type { TokenStore } from 'thingspace-auth/stores';
import { kvStore } from 'thingspace-auth/stores/kv';

export const open = async (): Promise<TokenStore> => kvStore(await Deno.openKv());
