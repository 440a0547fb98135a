// The chat's page in a real browser: chat.js CHROMIUM URL FOLDER-FOR-SCREENSHOTS. Three tabs of three people; Bob's way to
// the server is cut once, Carol's browser has no WebSocket. Prints what is wrong; silent otherwise.
"use strict";
const net = require("net"), path = require("path"), puppeteer = require("puppeteer-core");

const LIMIT = 20000; // ms for everything that is waited for

// A way to the server that can be cut.
function relay(port) {
  const sockets = new Set();
  const server = net.createServer(client => {
    const upstream = net.connect(port, "127.0.0.1");
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy()).on("close", () => { sockets.delete(from); to.destroy(); });
    }
  });
  const cut = () => { for (const socket of sockets) socket.destroy(); };
  return new Promise(resolve => server.listen(0, "127.0.0.1", () => resolve({ port: server.address().port, cut, server })));
}

// Opens the chat's page for somebody, without anything that others have stored.
async function openTab(browser, url, name, { withoutWebSocket = false } = {}) {
  const page = await (await browser.createBrowserContext()).newPage();
  page.faults = [];
  page.on("pageerror", error => page.faults.push(`${name}'s page: ${error.message}`));
  await page.setViewport({ width: 800, height: 600 });
  await page.evaluateOnNewDocument(name => localStorage.setItem("name", name), name);
  if (withoutWebSocket) await page.evaluateOnNewDocument(() => { delete window.WebSocket; });
  await page.goto(url, { timeout: LIMIT });
  return page;
}

// Waits until what a page shows is as it must be.
async function shows(page, what, read, expected) {
  const wanted = JSON.stringify(expected);
  let seen;
  for (const end = Date.now() + LIMIT; Date.now() < end; await new Promise(resolve => setTimeout(resolve, 20))) {
    seen = JSON.stringify(await page.evaluate(read));
    if (seen === wanted) return;
  }
  throw new Error(`${what}: expected ${wanted} within ${LIMIT / 1000} s, seen ${seen}`);
}

const state = () => document.getElementById("state").textContent;
const who = () => [...document.querySelectorAll("#who li")].map(row => row.textContent);
const messages = () => [...document.querySelectorAll("#log li:not(.fact)")].map(row =>
  `${row.querySelector("b").textContent}: ${row.querySelector("span").textContent}`);

async function say(page, text) {
  await page.type("#text", text);
  await page.keyboard.press("Enter");
}

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

async function main([chromium, url, folder]) {
  const way = await relay(Number(new URL(url).port));
  const browser = await puppeteer.launch({
    executablePath: chromium,
    acceptInsecureCerts: true, // ours is thrown away afterwards
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"], // root has no sandbox
  });
  try {
    await chat(browser, url, way, folder);
  } finally {
    await browser.close();
    way.cut();
    way.server.close();
  }
}

main(process.argv.slice(2)).catch(error => {
  console.log(error.message);
  process.exitCode = 1;
});
