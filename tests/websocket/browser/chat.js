// The chat's page in a real browser: chat.js CHROMIUM URL FOLDER-FOR-SCREENSHOTS. Three tabs of three people; Bob's way to
// the server is cut once, Carol's browser has no WebSocket. Prints what is wrong; silent otherwise.
"use strict";
const path = require("path"), { inBrowser, openTab, shows } = require("./tabs.js");
const { messages, say, state, who } = require("./chat_page.js");

async function chat(browser, url, way, folder) {
  const detour = new URL(url);
  detour.port = way.port;
  const ada = await openTab(browser, url, "Ada");
  await shows(ada, "Ada's state", state, "open · WebSocket");
  const bob = await openTab(browser, detour.href, "Bob");
  await shows(bob, "Bob's state", state, "open · WebSocket");
  for (const page of [ada, bob]) await shows(page, "who is there", who, ["Ada", "Bob"]);
  await say(ada, "Hello <b>Bob</b>");
  for (const page of [ada, bob]) await shows(page, "the messages", messages, ["Ada: Hello <b>Bob</b>"]);

  way.cut();
  const left = () => [...document.querySelectorAll("#log .fact")].some(row => row.textContent === "Bob left.");
  await shows(ada, "that Bob left", left, true);
  await shows(bob, "Bob's state when he has come back by himself", state, "open · WebSocket");

  const carol = await openTab(browser, url, "Carol", { withoutWebSocket: true });
  await shows(carol, "Carol's state", state, "open · SSE");
  await say(carol, "Without WebSocket");
  await shows(carol, "Carol's messages", messages, ["Carol: Without WebSocket"]);
  await say(bob, "I am back");
  for (const page of [ada, bob]) {
    await shows(page, "who is there at last", who, ["Ada", "Bob", "Carol"]);
    await shows(page, "the messages at last", messages,
      ["Ada: Hello <b>Bob</b>", "Carol: Without WebSocket", "Bob: I am back"]);
  }
  for (const [name, page] of Object.entries({ ada, bob, carol })) {
    await page.screenshot({ path: path.join(folder, `${name}.png`) });
    if (page.faults.length !== 0) throw new Error(page.faults.join("\n"));
  }
}

inBrowser(chat);
