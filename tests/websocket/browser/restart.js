// The chat's page in a real browser while the server's process is killed and started again:
// restart.js CHROMIUM URL FOLDER-FOR-SCREENSHOTS COMMAND... {port}. It starts servers of its own by the command, with a
// log. Ada comes by WebSocket, Bob by SSE; both write meanwhile. Prints what is wrong; silent otherwise.
"use strict";
const { spawn } = require("child_process"), fs = require("fs"), os = require("os"), path = require("path");
const { inBrowser, openTab, shows } = require("./tabs.js"), { messages, say, state } = require("./chat_page.js");

const DEADLINE = 100000; // ms for all of it: the process must not outlive this one

const place = fs.mkdtempSync(path.join(os.tmpdir(), "chat-")), log = path.join(place, "log");
const command = process.argv.slice(5);
let child = null;

process.on("exit", () => {
  if (child) child.kill("SIGKILL"); // after DEADLINE
  fs.rmSync(place, { recursive: true });
});
setTimeout(() => process.exit(1), DEADLINE).unref();

// Starts the demo on a port, 0 for any free one; gives its URL when it has printed it.
function start(port) {
  child = spawn(command[0], command.slice(1).map(word => word.replace("{port}", port)),
    { env: { ...process.env, CHAT_LOG: log }, stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    child.on("error", reject).on("exit", code => reject(new Error(`the server ended with code ${code}`)));
    child.stdout.once("data", data => resolve(String(data).trim()));
  });
}

async function kill() {
  const ended = new Promise(resolve => child.once("close", resolve));
  child.kill("SIGKILL");
  await ended;
}

const waiting = () => [...document.querySelectorAll("#waiting span")].map(row => row.textContent);

async function restart(browser, _, way, folder) {
  const url = await start(0);
  const ada = await openTab(browser, url, "Ada"), bob = await openTab(browser, url, "Bob", { withoutWebSocket: true });
  await shows(ada, "Ada's state", state, "open · WebSocket");
  await shows(bob, "Bob's state", state, "open · SSE");
  const lines = [], port = new URL(url).port;
  for (const round of [1, 2]) {
    await say(ada, `Ada ${round}`);
    await shows(bob, "the messages", messages, [...lines, `Ada: Ada ${round}`]);
    await say(bob, `Bob ${round}`);
    lines.push(`Ada: Ada ${round}`, `Bob: Bob ${round}`);
    for (const page of [ada, bob]) await shows(page, "the messages", messages, lines);

    await kill();
    for (const [name, page] of [["Ada", ada], ["Bob", bob]]) {
      await page.waitForFunction(() => !document.getElementById("state").textContent.startsWith("open"));
      await say(page, `${name} while it was away`);
      await say(page, `${name} again`);
      await shows(page, `what waits of ${name}'s`, waiting, [`${name} while it was away`, `${name} again`]);
    }
    await ada.screenshot({ path: path.join(folder, "restart-away.png") });

    await bob.setOfflineMode(true); // what Ada writes now only the log can give him
    await start(port);
    lines.push("Ada: Ada while it was away", "Ada: Ada again");
    await shows(ada, "Ada's messages", messages, lines);
    await kill();
    await bob.setOfflineMode(false);
    await start(port);
    lines.push("Bob: Bob while it was away", "Bob: Bob again");
    for (const page of [ada, bob]) {
      await shows(page, "the messages after the restart", messages, lines);
      await shows(page, "what waits", waiting, []);
    }
  }
  for (const [name, page] of Object.entries({ ada, bob })) {
    await page.screenshot({ path: path.join(folder, `restart-${name}.png`) });
    if (page.faults.length !== 0) throw new Error(page.faults.join("\n"));
  }
}

inBrowser(restart).finally(() => child && child.kill("SIGKILL"));
