/**
 * Binary frames of the WebSocket: a header of 16 bytes, little-endian, then the payload. The layout is in
 * conversation.proto. Knows nothing of sound.
 */

export const MIC_OPUS = 1;
export const REPLY_OPUS = 16;
const HEADER_BYTES = 16;

/**
 * A packet from the microphone as a frame.
 * @param {number} sequence from 0
 * @param {number} capturedUs capture time of its first sample, microseconds since the Unix epoch
 * @param {Uint8Array} payload one Opus packet
 * @returns {ArrayBuffer}
 */
export function packMic(sequence, capturedUs, payload) {
  const frame = new ArrayBuffer(HEADER_BYTES + payload.byteLength);
  const header = new DataView(frame);
  header.setUint8(0, MIC_OPUS);
  header.setUint32(4, sequence, true);
  header.setBigInt64(8, BigInt(Math.round(capturedUs)), true);
  new Uint8Array(frame, HEADER_BYTES).set(payload);
  return frame;
}

/**
 * A frame of a reply, taken apart.
 * @param {ArrayBuffer} frame
 * @returns {{reply: number, sequence: number, firstSample: number, payload: Uint8Array} | null} null for another kind
 */
export function unpackReply(frame) {
  if (frame.byteLength <= HEADER_BYTES) return null;
  const header = new DataView(frame);
  if (header.getUint8(0) !== REPLY_OPUS) return null;
  return {
    reply: header.getUint16(2, true),
    sequence: header.getUint32(4, true),
    firstSample: Number(header.getBigInt64(8, true)),
    payload: new Uint8Array(frame, HEADER_BYTES),
  };
}
