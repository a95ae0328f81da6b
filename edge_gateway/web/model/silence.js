/**
 * Finds packets of the microphone that are silent and need not be sent. `conversation.proto` says what may be left out;
 * the numbers here leave more than that. Counts packets of 20 ms; knows nothing of what is in them, nor of clocks. Pure.
 */

const LOWEST_DB = -96;
/** The floor follows the softest packet at once, and rises by a decibel a second: nobody speaks for long without a pause. */
const RISE_DB = 0.02;
const ABOVE_FLOOR_DB = 6;
/** No voice is as soft as that. */
const SURELY_SILENT_DB = -84;
/** What is louder may be a voice in any room. */
const SURELY_SOUND_DB = -55;
/** Sent after the last sound: more than the longest pause that a turn has. */
const AFTER_PACKETS = 150;
/** Sent after the last sound once the gateway has said that the turn is over: nothing hangs on this silence any more. */
const OVER_PACKETS = 25;
/** A sound that is no older may have come when that had been said already, and be another turn's. */
const OTHERS_PACKETS = 10;
/** Sent from before a sound, held back until there is one. */
const BEFORE_PACKETS = 15;
/** Of silence so many are sent in one piece, after so many that are left out. */
const SENT_PACKETS = 4;
const LEFT_OUT_PACKETS = 44;

/**
 * How loud a packet is: RMS in dB of full scale.
 * @param {Float32Array} samples
 */
export function levelDb(samples) {
  let power = 0;
  for (const sample of samples) power += sample * sample;
  return Math.max(LOWEST_DB, 10 * Math.log10(power / samples.length + 1e-12));
}

/**
 * Holds packets back while all is silent. What comes out of it is to be sent in that order.
 * @template Packet
 */
export class SilenceGate {
  constructor() {
    this.floor = SURELY_SOUND_DB;
    /** Packets since the last sound. */
    this.silent = 0;
    /** So many are sent after it. */
    this.after = AFTER_PACKETS;
    /** @type {{packet: Packet, silent: boolean}[]} */
    this.held = [];
    /** Packets left out since one was sent. */
    this.leftOut = 0;
    /** Packets of the piece of silence that is being sent. */
    this.sent = 0;
  }

  /**
   * Takes the next packet.
   * @param {Packet} packet
   * @param {number} level of it, dB
   * @returns {{packet: Packet, silent: boolean, leftOut: number}[]} what is to be sent, each with how many were left out
   *   before it
   */
  pass(packet, level) {
    const silent = this.isSilent(level);
    if (silent) this.silent++;
    else this.hearVoice();
    this.held.push({ packet, silent });
    if (this.silent <= this.after) return this.release();
    if (this.held.length <= BEFORE_PACKETS) return [];
    return this.keepAlive();
  }

  /** There is a sound, or the gateway hears a voice in what this rule takes for silence: a turn may begin. */
  hearVoice() {
    this.silent = 0;
    this.after = AFTER_PACKETS;
  }

  /** The gateway has said that a turn is over, or was none. */
  endTurn() {
    if (this.silent > OTHERS_PACKETS) this.after = OVER_PACKETS;
  }

  release() {
    this.sent = 0;
    return this.held.splice(0).map((held) => this.out(held));
  }

  /** The oldest one that is held is left out, or is one of those that show that the microphone lives. */
  keepAlive() {
    const [held] = this.held.splice(0, 1);
    if (this.leftOut < LEFT_OUT_PACKETS && this.sent === 0) {
      this.leftOut++;
      return [];
    }
    this.sent = (this.sent + 1) % SENT_PACKETS;
    return [this.out(held)];
  }

  /** @param {{packet: Packet, silent: boolean}} held */
  out(held) {
    const { leftOut } = this;
    this.leftOut = 0;
    return { ...held, leftOut };
  }

  /** @param {number} level */
  isSilent(level) {
    // A microphone that is muted says nothing of the room.
    if (level < SURELY_SILENT_DB) return true;
    this.floor = Math.min(level, this.floor + RISE_DB);
    return level < Math.min(SURELY_SOUND_DB, this.floor + ABOVE_FLOOR_DB);
  }
}
