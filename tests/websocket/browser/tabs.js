// What the tests of pages in a real browser share: a way to the server that can be cut, tabs, waiting, Chromium.
"use strict";
const net = require("net"), puppeteer = require("puppeteer-core");

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

// Opens a page for somebody, without anything that others have stored. key: where the page remembers the name.
async function openTab(browser, url, name, { key = "name", withoutWebSocket = false } = {}) {
  const page = await (await browser.createBrowserContext()).newPage();
  page.faults = [];
  page.on("pageerror", error => page.faults.push(`${name}'s page: ${error.message}`));
  await page.setViewport({ width: 800, height: 600 });
  await page.evaluateOnNewDocument((key, name) => localStorage.setItem(key, name), key, name);
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

// Calls run(browser, url, way, folder) with the arguments of the program, CHROMIUM URL FOLDER-FOR-SCREENSHOTS, and prints
// what is wrong; silent otherwise.
async function inBrowser(run, [chromium, url, folder] = process.argv.slice(2)) {
  const way = await relay(Number(new URL(url).port));
  const browser = await puppeteer.launch({
    executablePath: chromium,
    acceptInsecureCerts: true, // ours is thrown away afterwards
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"], // root has no sandbox
  });
  try {
    await run(browser, url, way, folder);
  } catch (error) {
    console.log(error.message);
    process.exitCode = 1;
  } finally {
    await browser.close();
    way.cut();
    way.server.close();
  }
}

module.exports = { openTab, shows, inBrowser };
