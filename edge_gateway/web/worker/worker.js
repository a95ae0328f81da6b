/** The worker's entry: passes the page's commands to the session, and the session's messages to the page. */

import { Session } from "./session.js";

/** @typedef {import("../model/messages.js").Command} Command */

/** Commands wait here until the session can take them. @type {Promise<Session> | undefined} */
let session;

self.onmessage = async ({ data }) => {
  const command = /** @type {Command} */ (data);
  if (command.do === "start") {
    session = Session.open(command, (message) => self.postMessage(message));
    return;
  }
  (await session)?.obey(command);
  if (command.do === "close") self.close();
};

self.addEventListener("online", async () => (await session)?.obey({ do: "again" }));
