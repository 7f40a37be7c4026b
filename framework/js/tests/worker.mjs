// A page whose worker writes and syncs: the page sees it in the same store.
//
//   node worker.mjs <address>
import assert from "node:assert/strict";
import { WAIT, launch, open } from "./chromium.mjs";

const [address] = process.argv.slice(2);
const browser = await launch();
const page = await open(await browser.newContext(), address);
await page.waitForSelector("html[data-ready]", { state: "attached", ...WAIT });
const told = await page.evaluate(() => window.work());
assert.deepEqual(told, { applied: 1, titles: ["From the worker", "Water the plants"], refused: "invalid_value" });
console.log("the worker wrote and synced");
await page.waitForFunction(() => window.titles()?.length === 2, null, WAIT);
assert.deepEqual(await page.evaluate(() => window.titles()), told.titles);
console.log("the page sees what the worker did");
await browser.close();
