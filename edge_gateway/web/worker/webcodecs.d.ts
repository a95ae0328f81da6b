/** Settings of the Opus encoder that TypeScript's own declarations do not know yet. */
interface OpusEncoderConfig {
  application?: "voip" | "audio" | "lowdelay";
  signal?: "auto" | "music" | "voice";
}
