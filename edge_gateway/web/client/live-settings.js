/** Tells a running conversation what a person changed in the settings. */

/**
 * @param {import("./conversation.js").Conversation} conversation
 * @param {Partial<import("../model/settings.js").Settings>} changed
 */
export function applySettings(conversation, changed) {
  const { pushToTalk, inputDeviceId, outputDeviceId, volume, processing, voice, speed, instructions } = changed;
  if (pushToTalk !== undefined) conversation.setPushToTalk(pushToTalk);
  if (inputDeviceId !== undefined) void conversation.setInput(inputDeviceId);
  if (outputDeviceId !== undefined) void conversation.setOutput(outputDeviceId);
  if (volume !== undefined) conversation.setVolume(volume);
  if (processing) void conversation.setProcessing(processing);
  // The language of a session cannot change, and a voice that goes with another one comes with it.
  if (changed.language !== undefined) return;
  const config = Object.entries({ voice, speed, instructions }).filter(([, value]) => value !== undefined);
  if (config.length) conversation.configure(Object.fromEntries(config));
}
