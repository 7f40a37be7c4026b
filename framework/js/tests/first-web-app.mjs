// What the tutorial "Your first web app that works offline" asks its reader to try.
//
//   node first-web-app.mjs <address>
import { WAIT, launch, open } from "./chromium.mjs";

const [address] = process.argv.slice(2);
const browser = await launch();
const context = await browser.newContext();
const page = await open(context, address);
const task = (title) => page.locator("#tasks li", { hasText: title });
const status = (text) => page.locator("#status", { hasText: text }).waitFor(WAIT);

await task("Water the plants").waitFor(WAIT);
await status(/up to date/i);
await page.evaluate(() => navigator.serviceWorker.ready);
await page.reload();
await task("Water the plants").waitFor(WAIT);
console.log("1 it is there, and kept");

await context.setOffline(true);
await page.reload();
await task("Water the plants").waitFor(WAIT);
await status(/offline/i);
console.log("2 it opens without a network and says so");

await page.locator("[name=title]").fill("Buy soil");
await page.locator("button").click();
await task("Buy soil").waitFor(WAIT);
await task("Water the plants").locator("input").check();
await status(/2 changes waiting/);
await page.reload();
await task("Buy soil").waitFor(WAIT);
await task("Water the plants").locator("input:checked").waitFor(WAIT);
console.log("3 what is done offline stays");

await context.setOffline(false);
await page.waitForFunction(() => /up to date/i.test(document.querySelector("#status").textContent)
  && !/waiting/.test(document.querySelector("#status").textContent), null, WAIT);
console.log("4 it is sent");
await browser.close();
