// What the chat's page shows, and how one writes on it.
"use strict";

const state = () => document.getElementById("state").textContent;
const who = () => [...document.querySelectorAll("#who li")].map(row => row.textContent);
const messages = () => [...document.querySelectorAll("#log li:not(.fact)")].map(row =>
  `${row.querySelector("b").textContent}: ${row.querySelector("span").textContent}`);

async function say(page, text) {
  await page.type("#text", text);
  await page.keyboard.press("Enter");
}

module.exports = { messages, say, state, who };
