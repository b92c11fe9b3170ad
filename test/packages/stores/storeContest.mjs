// A contest of real processes (or isolates, or tabs) for one key: in each round all of them call
// `compareAndSet` with the same expectation, and exactly one may win.

/**
 * @param stores one for each that contends, which asks another process
 * @returns how often each has won
 */
export async function contend(stores, { rounds = 25, key = `contest ${Math.random()}` } = {}) {
  const wins = stores.map(() => 0);
  let held;
  for (let round = 0; round < rounds; round++) {
    const values = stores.map((_, index) => JSON.stringify({ round, index }));
    const answers = await Promise.all(
      stores.map(({ compareAndSet }, index) => compareAndSet(key, held, values[index], 60)),
    );
    const winners = answers.flatMap((hasWon, index) => (hasWon === true ? [index] : []));
    if (winners.length !== 1)
      throw new Error(`${winners.length} of ${stores.length} have won round ${round}`);
    held = values[winners[0]];
    wins[winners[0]]++;
    const found = await stores[0].get(key);
    if (found !== held) throw new Error(`the store holds ${found} instead of ${held}`);
  }
  return wins;
}
