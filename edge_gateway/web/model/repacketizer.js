/**
 * Puts packets of the microphone together, for each message wakes the gateway up: as many as it allows, which is one where
 * a decision hangs on the next packet. Counts packets of 20 ms and knows no clock. Pure.
 */

const PACKET_MS = 20;
/** No Opus packet is longer than 120 ms (RFC 6716, section 3.2.5). */
const MOST_PACKETS = 6;
/** No payload that the gateway takes is longer. */
const MOST_OPUS_BYTES = 1275;
const MOST_PCM_BYTES = 11520;
/** A packet that begins so far from where the one before it ended is of a microphone that paused. */
const PAUSE_US = 10_000;

/** What the two lowest bits of an Opus packet's first byte say: it holds one frame, or any number of them. */
const CODE_BITS = 3;
const ONE_FRAME = 0;
const ANY_NUMBER = 3;
const VARIABLE_LENGTHS = 0x80;
const FIRST_LONG_LENGTH = 252;

/**
 * A packet of 20 ms that is to be sent.
 * @typedef {object} SingularPacket
 * @property {number} capturedUs capture time of its first sample
 * @property {Uint8Array} payload one Opus packet, or s16le
 * @property {boolean} silent
 * @property {number} leftOut silent packets before it that are not sent
 */

/**
 * One packet made of several, or of one; times and places are those of the first.
 * @typedef {{capturedUs: number, payload: Uint8Array, leftOut: number, packets: number}} JoinedPacket
 */

export class Repacketizer {
  /** @param {boolean} opus false: PCM */
  constructor(opus) {
    this.opus = opus;
    this.soundLimit = 1;
    this.silenceLimit = 1;
    /** @type {SingularPacket[]} */
    this.waiting = [];
  }

  /**
   * How long packets may last from now on; 20 ms where nothing is said.
   * @param {number} [soundMs] where there is sound in it
   * @param {number} [silenceMs] where all is silent
   * @returns {JoinedPacket[]} what is to be sent now
   */
  setPacketTime(soundMs, silenceMs) {
    this.soundLimit = packetsIn(soundMs);
    this.silenceLimit = packetsIn(silenceMs);
    return this.isDue() ? this.flush() : [];
  }

  /**
   * Takes the next packet.
   * @param {SingularPacket} packet
   * @returns {JoinedPacket[]} what is to be sent now
   */
  take(packet) {
    const before = this.isContinuedBy(packet) ? [] : this.flush();
    this.waiting.push(packet);
    return this.isDue() ? [...before, ...this.flush()] : before;
  }

  /** @returns {JoinedPacket[]} what is to be sent when no more packets come, or none: all that waits */
  flush() {
    const packets = this.waiting.splice(0);
    if (!packets.length) return [];
    const [{ capturedUs, leftOut }] = packets;
    const payloads = packets.map(({ payload }) => payload);
    return [{ capturedUs, leftOut, packets: packets.length, payload: this.opus ? joinOpus(payloads) : concatenated(payloads) }];
  }

  isDue() {
    const { length } = this.waiting;
    if (!length) return false;
    // What has sound in it takes along the silence before it.
    const limit = this.waiting.every(({ silent }) => silent) ? this.silenceLimit : this.soundLimit;
    return length >= limit || !this.canBeJoined(this.waiting[0]);
  }

  /** @param {SingularPacket} packet */
  isContinuedBy(packet) {
    const last = this.waiting.at(-1);
    if (!last || packet.leftOut) return false;
    if (Math.abs(packet.capturedUs - last.capturedUs - PACKET_MS * 1000) > PAUSE_US) return false;
    const payloads = [...this.waiting, packet].map(({ payload }) => payload);
    if (!this.opus) return totalBytes(payloads) <= MOST_PCM_BYTES;
    // What waits can be joined, so this can too when it begins alike.
    return packet.payload[0] === last.payload[0] && joinedOpusBytes(payloads) <= MOST_OPUS_BYTES;
  }

  /** @param {SingularPacket} packet */
  canBeJoined({ payload }) {
    return !this.opus || (payload.length > 0 && (payload[0] & CODE_BITS) === ONE_FRAME);
  }
}

/**
 * Opus packets as one that holds the frames of all (RFC 6716, section 3.2.5).
 * @param {Uint8Array[]} packets of one frame each, with the same first byte; a single one may be any, and is left as it is
 */
export function joinOpus(packets) {
  if (packets.length === 1) return packets[0];
  const frames = packets.map((packet) => packet.subarray(1));
  // The last frame is what is left.
  const lengths = frames.slice(0, -1).flatMap(({ length }) => lengthBytes(length));
  const header = [packets[0][0] | ANY_NUMBER, VARIABLE_LENGTHS | frames.length, ...lengths];
  return concatenated([Uint8Array.from(header), ...frames]);
}

/** @param {Uint8Array[]} packets as `joinOpus` takes them */
function joinedOpusBytes(packets) {
  const lengths = packets.slice(0, -1).flatMap(({ length }) => lengthBytes(length - 1));
  return 2 + lengths.length + totalBytes(packets) - packets.length;
}

/** The length of an Opus frame, as section 3.2.1 has it. @param {number} length */
function lengthBytes(length) {
  if (length < FIRST_LONG_LENGTH) return [length];
  const first = FIRST_LONG_LENGTH + (length & 3);
  return [first, (length - first) / 4];
}

/** @param {Uint8Array[]} parts */
function concatenated(parts) {
  const whole = new Uint8Array(totalBytes(parts));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

/** @param {Uint8Array[]} parts */
function totalBytes(parts) {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** Whole packets in a packet time; 0 and 1 are the same, for each goes alone. @param {number} [ms] */
function packetsIn(ms = 0) {
  return Math.min(MOST_PACKETS, Math.floor(ms / PACKET_MS));
}
