// The page of the demo rooms in a real browser: rooms.js CHROMIUM URL FOLDER-FOR-SCREENSHOTS. Ada and Bob in one room, Cy
// in another; Ada's page is loaded anew, Bob's way to the server is cut, and Bob is removed. Prints what is wrong; silent
// otherwise.
"use strict";
const path = require("path"), { inBrowser, openTab, shows } = require("./tabs.js");

const state = () => document.getElementById("state").textContent;
const who = () => [...document.querySelectorAll("#who li")].map(row => row.firstChild.textContent);
const rooms = () => [...document.querySelectorAll("#rooms a")].map(link =>
  `${link.firstChild.textContent}: ${link.querySelector("small").textContent}`);
const messages = () => [...document.querySelectorAll("#log li")].map(row =>
  row.className === "fact" ? row.textContent
    : `${row.querySelector("b").textContent}: ${row.querySelector("span").textContent}`);

async function say(page, text) {
  await page.type("#text", text);
  await page.keyboard.press("Enter");
  await shows(page, "the field after a message", () => document.getElementById("text").value, "");
}

async function enter(browser, url, room, name) {
  const page = await openTab(browser, `${url}#${room}`, name, { key: "rooms-name" });
  await shows(page, `the state of ${name}`, state, "open");
  return page;
}

async function pictures(page, folder) {
  for (const [name, scheme, width, height] of [["light", "light", 1000, 700], ["dark", "dark", 1000, 700],
    ["phone", "light", 390, 780], ["phone-dark", "dark", 390, 780]]) {
    await page.setViewport({ width, height, deviceScaleFactor: 1.5 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.screenshot({ path: path.join(folder, `rooms-${name}.png`) });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    if (wide) throw new Error(`the page is wider than its window of ${width} pixels`);
  }
}

async function demo(browser, url, way, folder) {
  const detour = new URL(url);
  detour.port = way.port;
  const ada = await enter(browser, url, "tea", "Ada"), bob = await enter(browser, detour.href, "tea", "Bob");
  const cy = await enter(browser, url, "garden", "Cy");
  for (const page of [ada, bob, cy]) await shows(page, "the rooms", rooms, ["garden: Cy", "tea: Ada, Bob"]);
  await say(ada, "Hello <b>Bob</b>");
  await say(bob, "Hello Ada");
  await say(cy, "It rains.");
  const said = ["Ada: Hello <b>Bob</b>", "Bob: Hello Ada"];
  for (const page of [ada, bob]) await shows(page, "the messages", messages, said);
  await shows(cy, "Cy's messages", messages, ["Cy: It rains."]);

  await ada.reload();
  await shows(ada, "the messages after a reload", messages, said);
  for (const page of [ada, bob]) await shows(page, "who is there after a reload", who, ["Ada", "Bob"]);

  way.cut();
  await shows(cy, "the rooms when Bob is cut off", rooms, ["garden: Cy", "tea: Ada"]);
  await say(ada, "Are you there?");
  said.push("Ada: Are you there?");
  await shows(bob, "the messages when Bob has come back by himself", messages, said);
  for (const page of [ada, bob]) await shows(page, "who is there then", who, ["Ada", "Bob"]);

  await pictures(ada, folder);
  await ada.evaluate(() => { location.hash = "garden"; });
  await shows(ada, "the messages in the other room", messages, ["Cy: It rains."]);
  for (const page of [ada, bob, cy]) await shows(page, "the rooms then", rooms, ["garden: Ada, Cy", "tea: Bob"]);

  await ada.goBack();
  await shows(ada, "the messages back in the first room", messages, said);
  await ada.click('#who [title="Remove Bob"]');
  await shows(bob, "Bob's state when he was removed", state, "not in this room");
  await shows(ada, "who is left", who, ["Ada"]);
  await shows(bob, "what Bob sees of the rooms", rooms, ["garden: Cy", "tea: Ada"]);
  await say(ada, "Quiet here");
  await bob.screenshot({ path: path.join(folder, "rooms-removed.png") });
  await bob.click("#send");
  await shows(bob, "Bob's messages when he has entered again", messages, [...said, "Ada: Quiet here"]);
  await cy.close();
  for (const page of [ada, bob]) await shows(page, "the rooms when a tab was closed", rooms, ["tea: Ada, Bob"]);
  for (const page of [ada, bob]) if (page.faults.length !== 0) throw new Error(page.faults.join("\n"));
}

inBrowser(demo);
