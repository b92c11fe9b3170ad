import type { TokenStore } from 'thingspace-auth/stores';

export interface StoreContractOptions {
  readonly open: () => TokenStore | Promise<TokenStore>;
  readonly wait?: (seconds: number) => unknown;
  readonly ttlSeconds?: number | undefined;
  readonly lockSeconds?: number;
  readonly canLock?: boolean;
}

export function testStore(
  test: (name: string, run: () => Promise<void>) => unknown,
  options: StoreContractOptions & { readonly name: string },
): void;

export function storeCases(options: StoreContractOptions): [sentence: string, run: () => Promise<void>][];
