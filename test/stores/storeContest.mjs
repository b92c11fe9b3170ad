// A contest of real processes (or isolates, or tabs) for one key: in each round all of them call `compareAndSet` with the
// same expectation, and exactly one may win.

/**
 * @param members functions `(key, expected, value) => Promise<boolean>`, each of which asks another process; `expected` is
 *   `null` where nothing is expected, as JSON has it
 * @param read `(key) => Promise<string>`: what the store holds
 * @returns how often each member has won
 */
export async function contend(members, read, { rounds = 25, key = `contest ${Math.random()}` } = {}) {
  const wins = members.map(() => 0);
  let held = null;
  for (let round = 0; round < rounds; round++) {
    const values = members.map((_, index) => JSON.stringify({ round, index }));
    const answers = await Promise.all(members.map((compareAndSet, index) => compareAndSet(key, held, values[index])));
    const winners = answers.flatMap((hasWon, index) => (hasWon === true ? [index] : []));
    if (winners.length !== 1) throw new Error(`${winners.length} of ${members.length} have won round ${round}`);
    held = values[winners[0]];
    wins[winners[0]]++;
    const found = await read(key);
    if (found !== held) throw new Error(`the store holds ${found} instead of ${held}`);
  }
  return wins;
}
