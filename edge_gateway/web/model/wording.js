/** Small sentences of the page. Pure. */

/**
 * What is behind a session, from the gateway's SessionReady.
 * @param {Record<string, any>} ready
 */
export function about({ engines = [], voice, language, session_id: session }) {
  return `Connected: ${[...engines, voice, language].filter(Boolean).join(" · ")}. Session ${session}.`;
}

/**
 * A message of the gateway as a sentence: its own begin small and end without a stop.
 * @param {string} message
 */
export function sentence(message) {
  const words = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?…]$/.test(words) ? words : `${words}.`;
}
