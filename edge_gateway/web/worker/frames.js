/**
 * Binary frames of the WebSocket: a header of 16 bytes, little-endian, then the payload. The layout is in
 * conversation.proto. Pure: knows nothing of sound.
 */

export const MIC_OPUS = 1;
export const MIC_PCM = 2;
export const REPLY_OPUS = 16;
export const REPLY_PCM = 17;

const HEADER_BYTES = 16;
const LEFT_OUT = 4;
/** Where in the flags it stands how many packets were put together, less one. */
const JOINED_SHIFT = 4;

/**
 * A packet from the microphone, or several that were put together.
 * @typedef {object} MicPacket
 * @property {number} kind MIC_OPUS or MIC_PCM
 * @property {number} sequence from 0, of the first; it counts packets of 20 ms
 * @property {number} capturedUs capture time of the first sample, microseconds since the Unix epoch
 * @property {number} [leftOut] silent packets that were left out before it
 * @property {boolean} [lost] packets before it could not be sent
 * @property {number} [packets] how many of 20 ms were put together, 1 to 6
 * @property {Uint8Array} payload one Opus packet, or s16le
 */

/**
 * @typedef {object} ReplyPacket
 * @property {number} kind REPLY_OPUS or REPLY_PCM
 * @property {number} reply number of the reply, modulo 65536
 * @property {number} sequence
 * @property {number} firstSample its place in the reply, at the session's output rate
 * @property {Uint8Array<ArrayBuffer>} payload
 */

/**
 * A packet from the microphone as a frame.
 * @param {MicPacket} packet
 * @returns {ArrayBuffer}
 */
export function packMic({ kind, sequence, capturedUs, leftOut = 0, lost = false, packets = 1, payload }) {
  const frame = new ArrayBuffer(HEADER_BYTES + payload.byteLength);
  const header = new DataView(frame);
  header.setUint8(0, kind);
  header.setUint8(1, (leftOut || lost ? LEFT_OUT : 0) | ((packets - 1) << JOINED_SHIFT));
  header.setUint16(2, leftOut, true);
  header.setUint32(4, sequence, true);
  header.setBigInt64(8, BigInt(Math.round(capturedUs)), true);
  new Uint8Array(frame, HEADER_BYTES).set(payload);
  return frame;
}

/**
 * A frame of a reply, taken apart.
 * @param {ArrayBuffer} frame
 * @returns {ReplyPacket | null} null for another kind, or one without a payload
 */
export function unpackReply(frame) {
  if (frame.byteLength <= HEADER_BYTES) return null;
  const header = new DataView(frame);
  const kind = header.getUint8(0);
  if (kind !== REPLY_OPUS && kind !== REPLY_PCM) return null;
  return {
    kind,
    reply: header.getUint16(2, true),
    sequence: header.getUint32(4, true),
    firstSample: Number(header.getBigInt64(8, true)),
    payload: new Uint8Array(frame, HEADER_BYTES),
  };
}

/**
 * Samples as s16le.
 * @param {Float32Array} samples -1 to 1; what lies beyond is cut
 */
export function toS16le(samples) {
  const bytes = new Uint8Array(2 * samples.length);
  const view = new DataView(bytes.buffer);
  for (let place = 0; place < samples.length; place++) {
    const value = Math.max(-1, Math.min(1, samples[place]));
    view.setInt16(2 * place, Math.round(value < 0 ? value * 32768 : value * 32767), true);
  }
  return bytes;
}

/**
 * Samples of s16le.
 * @param {Uint8Array} bytes a whole number of samples
 */
export function fromS16le(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.byteLength >> 1 }, (_, place) => view.getInt16(2 * place, true) / 32768);
}
