/** How long to wait before the next try to connect. Pure: draws no random number itself. */

const FIRST_SECONDS = 0.5;
const LONGEST_SECONDS = 8;

/**
 * @param {number} tries that have failed, from 0
 * @param {number} chance 0 to 1, so that not all pages come back at once after a restart
 * @param {number} [atLeast] seconds that the server asked for
 */
export function waitSeconds(tries, chance, atLeast = 0) {
  const longest = Math.min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** Math.min(tries, 10));
  return Math.max(atLeast, longest * (0.5 + 0.5 * chance));
}
