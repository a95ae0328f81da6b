/** Starts the page of figures. */

import { StatusFeed } from "./client/status-feed.js";
import { facts, loadSettings, showTheme } from "./view/browser.js";
import { speakTheirs } from "./view/locale.js";
import { StatusView } from "./view/status-view.js";

showTheme(loadSettings().theme);
await speakTheirs();
const view = new StatusView((paused) => feed.pause(paused));
const feed = new StatusFeed((figures) => view.show(figures), () => view.fails());
const [, known] = await Promise.all([feed.look(), facts()]);
view.linkTraces(known?.trace_url ?? "");
