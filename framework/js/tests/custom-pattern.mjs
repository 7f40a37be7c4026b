// A web app's own module: the pattern that it brings is chosen by its name, and does what it says.
//
//   node custom-pattern.mjs <address>
import assert from "node:assert/strict";
import { WAIT, launch, open } from "./chromium.mjs";

const [address] = process.argv.slice(2);
const browser = await launch();
const context = await browser.newContext();
const page = await open(context, address);
await page.waitForSelector("html[data-ready]", { state: "attached", ...WAIT });

const shown = () => page.locator("li").allTextContents();
const told = (text) => page.locator("[role=status]").filter({ hasText: text }).waitFor(WAIT);

await context.setOffline(true);
for (const value of ["7", "8"]) {
  await page.getByLabel("Reading").fill(value);
  await page.getByRole("button", { name: "Record" }).click();
  await page.locator("li", { hasText: value }).waitFor(WAIT);
}
assert.deepEqual(await shown(), ["7", "8"]);
console.log("readings are recorded without network");

await context.setOffline(false);
await page.getByRole("button", { name: "Send to the office" }).click();
await told("2 sent");
await page.waitForFunction(() => document.querySelectorAll("li").length === 0, null, WAIT);
assert.deepEqual(await page.evaluate(() => app.query("Reading")), []);
assert.equal((await page.evaluate(() => app.waiting())).length, 0);
console.log("confirmed readings leave the device");

// A word that neither OnSync nor the module knows is refused with those that they know.
const refused = await page.evaluate(async () => {
  const Reading = { ...shared.entities.Reading, pattern: "append-onyl" };
  try {
    await OnSync.open({ ...shared, transport: { url: location.origin }, store: { path: "other" }, entities: { Reading } });
    return {};
  } catch ({ code, message }) {
    return { code, message };
  }
});
assert.equal(refused.code, "unknown_plugin");
for (const name of ["append-only", "read-write-last-write-wins"]) assert.ok(refused.message.includes(name), refused.message);
console.log("a pattern nobody registered is refused with those that are");
await browser.close();
