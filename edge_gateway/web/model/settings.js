/**
 * What a person chose on this page, kept between visits. Reads text that may be old, damaged or somebody else's.
 * Pure: knows nothing of where it is kept.
 */

/** @typedef {{echoCancellation: boolean, noiseSuppression: boolean, autoGainControl: boolean}} Processing */

/**
 * @typedef {object} Settings
 * @property {string} language BCP 47
 * @property {string} voice a name from the server's list; "": the first of the language
 * @property {number} speed 0.5 to 2
 * @property {string} instructions "": the server's own
 * @property {string} inputDeviceId "": the system's
 * @property {string} outputDeviceId "": the system's
 * @property {number} volume 0 to 1
 * @property {boolean} pushToTalk
 * @property {Processing} processing
 * @property {"auto" | "light" | "dark"} theme
 */

export const KEY = "parley.settings";
export const LONGEST_INSTRUCTIONS = 8000;

/** @type {Readonly<Settings>} */
export const DEFAULTS = Object.freeze({
  language: "en",
  voice: "",
  speed: 1,
  instructions: "",
  inputDeviceId: "",
  outputDeviceId: "",
  volume: 1,
  pushToTalk: false,
  processing: Object.freeze({ echoCancellation: true, noiseSuppression: true, autoGainControl: true }),
  theme: "auto",
});

/**
 * Settings from kept text; whatever is not as it should be gets its default.
 * @param {string | null} text
 * @returns {Settings}
 */
export function read(text) {
  const kept = parse(text);
  const processing = typeof kept.processing === "object" && kept.processing ? kept.processing : {};
  return {
    language: words(kept.language, DEFAULTS.language, 35) || DEFAULTS.language,
    voice: words(kept.voice, DEFAULTS.voice, 200),
    speed: number(kept.speed, DEFAULTS.speed, 0.5, 2),
    instructions: words(kept.instructions, DEFAULTS.instructions, LONGEST_INSTRUCTIONS),
    inputDeviceId: words(kept.inputDeviceId, DEFAULTS.inputDeviceId, 200),
    outputDeviceId: words(kept.outputDeviceId, DEFAULTS.outputDeviceId, 200),
    volume: number(kept.volume, DEFAULTS.volume, 0, 1),
    pushToTalk: flag(kept.pushToTalk, DEFAULTS.pushToTalk),
    processing: {
      echoCancellation: flag(processing.echoCancellation, true),
      noiseSuppression: flag(processing.noiseSuppression, true),
      autoGainControl: flag(processing.autoGainControl, true),
    },
    theme: kept.theme === "light" || kept.theme === "dark" ? kept.theme : "auto",
  };
}

/**
 * Settings as text to keep.
 * @param {Settings} settings
 */
export function write(settings) {
  return JSON.stringify(settings);
}

/**
 * The part of a session's configuration that a person chose, as the gateway takes it.
 * @param {Settings} settings
 */
export function sessionConfig(settings) {
  const { language, voice, speed, instructions } = settings;
  return { language, voice, speed, instructions };
}

/** @param {string | null} text @returns {Record<string, any>} */
function parse(text) {
  try {
    const found = JSON.parse(text ?? "{}");
    return typeof found === "object" && found ? found : {};
  } catch {
    return {};
  }
}

/** @param {unknown} value @param {string} otherwise @param {number} longest */
function words(value, otherwise, longest) {
  return typeof value === "string" && value.length <= longest ? value : otherwise;
}

/** @param {unknown} value @param {number} otherwise @param {number} least @param {number} most */
function number(value, otherwise, least, most) {
  return typeof value === "number" && value >= least && value <= most ? value : otherwise;
}

/** @param {unknown} value @param {boolean} otherwise */
function flag(value, otherwise) {
  return typeof value === "boolean" ? value : otherwise;
}
