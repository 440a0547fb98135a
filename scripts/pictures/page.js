// Screenshots of the demo page: page.js CHROMIUM URL CLIENTS FOLDER. Waits until the page shows so many clients, then
// writes page-light.png, page-dark.png and page-phone.png.
"use strict";
const path = require("path"), puppeteer = require("puppeteer-core");

const LIMIT = 30000; // ms for everything that is waited for
const PICTURES = [
  { name: "page-light", scheme: "light", width: 760, height: 620 },
  { name: "page-dark", scheme: "dark", width: 760, height: 620 },
  { name: "page-phone", scheme: "light", width: 390, height: 700 },
];

async function main([chromium, url, clients, folder]) {
  const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    await page.setViewport({ width: 760, height: 620 });
    await page.goto(url, { timeout: LIMIT });
    const shown = wanted => document.getElementById("clients").textContent === wanted &&
      document.querySelectorAll("#list li").length === 5;
    await page.waitForFunction(shown, { timeout: LIMIT }, Number(clients).toLocaleString("en"));
    for (const { name, scheme, width, height } of PICTURES) {
      await page.setViewport({ width, height, deviceScaleFactor: 1.5 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme },
        { name: "prefers-reduced-motion", value: "reduce" }]);
      await page.screenshot({ path: path.join(folder, `${name}.png`) });
    }
  } finally {
    await browser.close();
  }
}

main(process.argv.slice(2)).catch(error => {
  console.error(error.message);
  process.exit(1);
});
