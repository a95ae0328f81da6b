/** The worker's door: takes the page's orders to the conversation, and its news back to the page. */

import { Talk } from "./session.js";

/** @typedef {import("../model/messages.js").Order} Order */

/** Orders wait here until the conversation can take them. @type {Promise<Talk> | undefined} */
let talk;

self.onmessage = async ({ data }) => {
  const order = /** @type {Order} */ (data);
  if (order.do === "start") {
    talk = Talk.open(order, (news) => self.postMessage(news));
    return;
  }
  (await talk)?.obey(order);
  if (order.do === "close") self.close();
};

self.addEventListener("online", async () => (await talk)?.obey({ do: "again" }));
