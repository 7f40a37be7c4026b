// The field-service app in real Chromium: two people, a network that goes and comes, a tab that is killed.
//
//   node e2e.mjs <address> <folder for screenshots>
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [address, shots] = process.argv.slice(2);
mkdirSync(shots, { recursive: true });

/** The system's Chromium, by its name or path. */
function path() {
  const wanted = process.env.CHROMIUM ?? "chromium";
  return wanted.includes("/") ? wanted : execFileSync("which", [wanted], { encoding: "utf8" }).trim();
}

const ARGUMENTS = ["--no-sandbox", "--disable-gpu"];
const browser = await chromium.launch({ executablePath: path(), args: ARGUMENTS });
const WAIT = { timeout: 30_000 };

/** A person with a device of their own. */
async function person(name, viewport) {
  const context = await browser.newContext({ viewport, locale: "en-GB", timezoneId: "UTC" });
  const device = { name, context };
  await open(device);
  return device;
}

async function open(device) {
  device.page = await device.context.newPage();
  device.page.on("pageerror", (error) => {
    throw new Error(`${device.name}: ${error.message}`);
  });
  await device.page.goto(address);
  await ready(device);
}

const ready = (device) => device.page.waitForSelector("html[data-ready]", { state: "attached", ...WAIT });
const status = (device) => device.page.evaluate(() => window.app.status());
const shoot = (device, name) => device.page.screenshot({ path: `${shots}/${name}.png` });
const visits = (device, where = {}) => device.page.evaluate((where) => window.app.query({ entity: "Visit", where }), where);

/** Syncs and waits for the end. */
const sync = (device) => device.page.evaluate(() => window.app.onSync("Everything").outcome());

/** Waits until an async condition holds in the page; `waitForFunction` takes a promise for a yes. */
async function until(device, what, condition, given) {
  const end = performance.now() + WAIT.timeout;
  while (!(await device.page.evaluate(condition, given))) {
    if (performance.now() > end) throw new Error(`${device.name}: not in time: ${what}`);
    await device.page.waitForTimeout(30);
  }
}

/** Waits until the server has everything. The list is asked, because the status counts a moment later. */
const sent = (device) =>
  until(device, "everything is sent", async () => (await window.app.waiting()).length === 0);

/** Leaves nothing but visits with this title in the list. */
async function search({ page }, title) {
  await page.locator("#search").fill(title);
  await page.waitForFunction(
    (title) => {
      const found = [...document.querySelectorAll("#list strong")];
      return found.length > 0 && found.every((one) => one.textContent.includes(title));
    }, title, WAIT);
}

/** Opens a visit by its title, changes fields, saves. */
async function edit(device, title, changes) {
  const { page } = device;
  await page.locator("#list button", { hasText: title }).first().click();
  await page.waitForFunction((title) => document.querySelector("#form").elements.title.value === title, title, WAIT);
  for (const [field, value] of Object.entries(changes)) {
    const input = page.locator(`#form [name="${field}"]`);
    if (field === "status") await input.selectOption(value);
    else await input.fill(value);
  }
  await page.locator('#form button[type="submit"]').click();
  await until(device, "the edit is saved", async ([title, changes]) => {
    const [visit] = await window.app.query({ entity: "Visit", where: { title } });
    return Object.entries(changes).every(([field, value]) => String(visit?.[field]) === value);
  }, [title, changes]);
}

const said = [];
async function step(what, work) {
  const began = performance.now();
  await work();
  said.push(what);
  console.log(`ok ${what} (${Math.round(performance.now() - began)} ms)`);
}

/** Controls that a screen reader could not name. */
const nameless = ({ page }) => page.evaluate(() => [...document.querySelectorAll("button, input, select, textarea, dialog, section, progress")]
  .filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length || one.hasAttribute("aria-labelledby")))
  .map((one) => one.outerHTML));

/** The same in the dark. */
async function dark(device, name) {
  await device.page.emulateMedia({ colorScheme: "dark" });
  await shoot(device, name);
  await device.page.emulateMedia({ colorScheme: null });
}

let ada, ben;
try {
  await step("the first sync says what it does, and the browser finds the app installable", async () => {
    const profile = mkdtempSync(join(tmpdir(), "onsync-pwa-"));
    const context = await chromium.launchPersistentContext(profile, { executablePath: path(), args: ARGUMENTS, viewport: { width: 390, height: 844 } });
    const device = { name: "Eve", context, page: await context.newPage() };
    let go;
    const held = new Promise((resolve) => (go = resolve));
    await device.page.route("**/v1/sync", async (route) => {
      await held;
      await route.continue();
    });
    await device.page.goto(address);
    await device.page.waitForSelector("#first:not([hidden])", WAIT);
    await shoot(device, "0-first-sync-phone");
    go();
    await until(device, "the first sync", () => window.app.status().upToDateAsOf !== null);
    await device.page.waitForSelector("#first", { state: "hidden", ...WAIT });
    await device.page.evaluate(() => navigator.serviceWorker.ready);
    const session = await context.newCDPSession(device.page);
    const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
    assert.deepEqual(installabilityErrors, []);
    const { errors, url } = await session.send("Page.getAppManifest");
    assert.deepEqual([errors, url], [[], `${address}/manifest.webmanifest`]);
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  });

  await step("two people open the app and have everything", async () => {
    [ada, ben] = [await person("Ada", { width: 1280, height: 800 }), await person("Ben", { width: 390, height: 844 })];
    for (const device of [ada, ben]) {
      await until(device, "the first sync", () => window.app.status().upToDateAsOf !== null);
      assert.equal((await visits(device)).length, 40);
      await device.page.waitForSelector("#list button", WAIT);
    }
    await shoot(ada, "1-list");
    await shoot(ben, "1-list-phone");
    await dark(ben, "1-list-phone-dark");
    for (const device of [ada, ben]) assert.deepEqual(await nameless(device), [], device.name);
  });

  await step("Ada makes a visit, and Ben sees it", async () => {
    await ada.page.locator("#new").click();
    await ada.page.locator('#form [name="title"]').fill("Inspect the roof");
    await ada.page.locator('#form [name="starts"]').fill("2026-11-23T06:00");
    await ada.page.locator('#form button[type="submit"]').click();
    await until(ada, "the visit is saved", async () => (await window.app.query("Visit")).length === 41);
    await sent(ada);
    await sync(ben);
    await ben.page.locator("#list button", { hasText: "Inspect the roof" }).waitFor(WAIT);
  });

  await step("without a network the app opens again and says so", async () => {
    // The service worker has kept everything by now.
    await ada.page.evaluate(() => navigator.serviceWorker.ready);
    await ada.context.setOffline(true);
    await ada.page.reload();
    await ready(ada);
    await until(ada, "it is offline", () => window.app.status().offline);
    await ada.page.waitForSelector("#offline:not([hidden])", WAIT);
    assert.equal((await visits(ada)).length, 41);
  });

  await step("both change the same visit, Ada offline", async () => {
    await edit(ada, "Inspect the roof", { status: "done", notes: "Two tiles replaced." });
    await edit(ben, "Inspect the roof", { status: "under way", minutes: "90" });
    await sent(ben);
    assert.equal((await status(ada)).waiting, 1);
    await ada.page.locator("#list button", { hasText: "Inspect the roof" }).locator(".state:not([data-state=clean])").waitFor(WAIT);
    await shoot(ada, "2-offline");
  });

  await step("a change made offline is there after another reload", async () => {
    await ada.page.reload();
    await ready(ada);
    const [visit] = await visits(ada, { title: "Inspect the roof" });
    assert.equal(visit.notes, "Two tiles replaced.");
    assert.equal(visit.status, "done");
  });

  await step("back online the conflict is shown with both sides", async () => {
    await ada.context.setOffline(false);
    await until(ada, "the conflict is found", () => window.app.status().conflicts === 1);
    const conflicted = ada.page.locator("#list button", { hasText: "Inspect the roof" });
    await conflicted.locator(".state[data-state=conflicted]").waitFor(WAIT);
    await conflicted.click();
    await ada.page.locator("#compare").click();
    const row = ada.page.locator("#conflict-rows tr", { hasText: "Status" });
    await row.locator("label", { hasText: "done" }).waitFor(WAIT);
    await row.locator("label", { hasText: "under way" }).waitFor(WAIT);
    await shoot(ada, "3-conflict");
    await dark(ada, "3-conflict-dark");
    await ada.page.setViewportSize({ width: 390, height: 844 });
    await shoot(ada, "3-conflict-phone");
    await ada.page.setViewportSize({ width: 1280, height: 800 });
    assert.deepEqual(await nameless(ada), []);
  });

  await step("Ada chooses line by line with the keyboard, and both have the result", async () => {
    const { keyboard } = ada.page;
    // Later, and again.
    await keyboard.press("Escape");
    await ada.page.waitForFunction(() => document.activeElement?.id === "compare", null, WAIT);
    await keyboard.press("Enter");
    for (const [label, side] of [["Minutes", "theirs"], ["Notes", "mine"], ["Status", "mine"]]) {
      await ada.page.locator("#conflict-rows tr", { hasText: label }).locator(`input[value=${side}]`).focus();
      await keyboard.press("Space");
    }
    await ada.page.locator("#merge").focus();
    await keyboard.press("Enter");
    await until(ada, "the conflict is gone", async () => (await window.app.conflicts()).length === 0);
    await sent(ada);
    await sync(ben);
    for (const device of [ada, ben]) {
      const [visit] = await visits(device, { title: "Inspect the roof" });
      assert.deepEqual([visit.status, visit.minutes, visit.notes], ["done", 90, "Two tiles replaced."], device.name);
    }
  });

  await step("a visit that is open follows what others change, and saving it writes only what was typed", async () => {
    const field = (name) => ben.page.locator(`#form [name="${name}"]`);
    await ben.page.waitForFunction(() => document.querySelector("#form").elements.minutes.value === "90", null, WAIT);
    await field("notes").fill("The ladder stays there.");
    await edit(ada, "Inspect the roof", { minutes: "60" });
    await sent(ada);
    await sync(ben);
    await ben.page.waitForFunction(() => document.querySelector("#form").elements.minutes.value === "60", null, WAIT);
    assert.equal(await field("notes").inputValue(), "The ladder stays there.");
    await ben.page.locator('#form button[type="submit"]').click();
    await until(ben, "it is saved", async () => (await window.app.waiting()).length > 0 || (await window.app.query({ entity: "Visit", where: { notes: "The ladder stays there." } })).length > 0);
    await sent(ben);
    await sync(ada);
    const [visit] = await visits(ada, { title: "Inspect the roof" });
    assert.deepEqual([visit.minutes, visit.notes], [60, "The ladder stays there."]);
  });

  await step("a tab killed during a sync loses nothing and sends nothing twice", async () => {
    for (let round = 0; round < 5; round += 1) {
      await ada.page.evaluate(async (round) => {
        const many = Array.from({ length: 30 }, (_, n) => ({ title: `Round ${round} visit ${n}`, status: "planned" }));
        await window.app.createMany("Visit", many);
        window.app.onSync("Everything");
      }, round);
      await ada.page.waitForTimeout(round * 15);
      await ada.page.close({ runBeforeUnload: false });
      await open(ada);
    }
    await sent(ada);
    await sync(ada);
    await sync(ben);
    for (const device of [ada, ben]) {
      const titles = (await visits(device, { title: { contains: "Round " } })).map((visit) => visit.title);
      assert.equal(titles.length, 150, device.name);
      assert.equal(new Set(titles).size, 150, `${device.name}: made twice`);
    }
  });

  await step("two tabs of one device see each other's changes, and one of them syncs", async () => {
    const second = { name: "Ada's second tab", context: ada.context };
    await open(second);
    await search(second, "Inspect the roof");
    await edit(second, "Inspect the roof", { minutes: "75" });
    await until(ada, "the other tab's change is seen", async () => {
      const [visit] = await window.app.query({ entity: "Visit", where: { title: "Inspect the roof" } });
      return visit.minutes === 75;
    });
    for (const device of [ada, second]) {
      await sent(device);
    }
    await second.page.close();
  });

  await step("Ben deletes a visit with the keyboard alone", async () => {
    await ben.page.reload();
    await ready(ben);
    await search(ben, "Inspect the roof");
    await ben.page.locator("#list button", { hasText: "Inspect the roof" }).focus();
    await ben.page.keyboard.press("Enter");
    await ben.page.waitForSelector("#detail:not([hidden])", WAIT);
    await shoot(ben, "4-detail-phone");
    ben.page.once("dialog", (dialog) => dialog.accept());
    await ben.page.locator("#delete").focus();
    await ben.page.keyboard.press("Enter");
    await until(ben, "it is deleted", async () =>
      (await window.app.query({ entity: "Visit", where: { title: "Inspect the roof" } })).length === 0);
    await sent(ben);
    await sync(ada);
    assert.equal((await visits(ada, { title: "Inspect the roof" })).length, 0);
  });
  console.log(`${said.length} steps`);
} catch (error) {
  for (const device of [ada, ben]) {
    if (device?.page && !device.page.isClosed()) {
      await shoot(device, `failed-${device.name}`).catch(() => {});
      console.log(device.name, await status(device).catch((cause) => cause.message));
    }
  }
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
}
