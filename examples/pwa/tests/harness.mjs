// What the scenarios share: devices in real Chromium, a server that answers otherwise, stores that fail, and a count of what was done.
//
//   node <script> <address>
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

export const [address] = process.argv.slice(2);
export const executablePath = execFileSync("which", [process.env.CHROMIUM ?? "chromium"], { encoding: "utf8" }).trim();
export const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
export const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
export const shared = await (await fetch(`${address}/config.json`)).json();
const SYNC = "**/v1/sync";

/** Opens the app in a tab. Nothing syncs by itself, and nothing is tried again by itself. */
export async function openApp(page, extra = {}) {
  await page.goto(`${address}/config.json`);
  await page.evaluate(async ([shared, extra]) => {
    // How many transactions are under way in this tab.
    window.transactions = 0;
    const begin = IDBDatabase.prototype.transaction;
    IDBDatabase.prototype.transaction = function transaction(...asked) {
      const begun = begin.apply(this, asked);
      window.transactions += 1;
      for (const end of ["complete", "abort"]) begun.addEventListener(end, () => (window.transactions -= 1));
      return begun;
    };
    const { default: init, OnSync } = await import("/onsync/onsync.js");
    await init();
    const config = {
      ...shared, triggers: {}, retry: { retry_synchronizations: false },
      transport: { kind: "http", url: location.origin, time_out: "20s" },
      contexts: { All: { entities: "all" }, Short: { entities: "all", time_out: "2s" }, Pull: { entities: "all", direction: "pull" } },
      store: { kind: "indexeddb", path: "promises", page_rows: 25, ...extra.store },
    };
    window.OnSync = OnSync;
    window.config = { ...config, ...extra.config };
    // Where people sign in, these pages come as everybody.
    window.app = await OnSync.open(window.config, { log: "error", credentials: () => "everybody" });
  }, [shared, extra]);
}

/** A device: a browser profile of its own, with one tab. */
export async function device(extra) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await openApp(page, extra);
  return { context, page };
}

/** Syncs; the summary, or the error's code. */
export const sync = ({ page }, context = "All") => page.evaluate(async (context) => {
  try {
    return await window.app.onSync(context).outcome();
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}, context);
export const ok = async (of, context) => {
  const summary = await sync(of, context);
  assert.equal(summary.code, undefined, JSON.stringify(summary));
  return summary;
};
export const query = ({ page }, entity, where = {}) => page.evaluate(([entity, where]) => window.app.query({ entity, where, order: "id" }), [entity, where]);
export const create = ({ page }, entity, values) => page.evaluate(([entity, values]) => window.app.create(entity, values), [entity, values]);
export const update = ({ page }, entity, key, values) => page.evaluate(([entity, key, values]) => window.app.update(entity, key, values), [entity, key, values]);
export const waiting = ({ page }) => page.evaluate(async () => (await window.app.waiting()).length);
export const conflicts = ({ page }) => page.evaluate(() => window.app.conflicts());

/** What the server has, as a new device sees it. */
export async function there(entity, where) {
  const fresh = await device();
  await ok(fresh);
  const found = await query(fresh, entity, where);
  await fresh.context.close();
  return found;
}

/** Answers the next sync requests by these functions, one after the other. */
export async function answers({ page }, ...ways) {
  await page.unroute(SYNC);
  await page.route(SYNC, (route) => (ways.shift() ?? ((one) => one.continue()))(route));
}
export const fulfilled = (answer) => (route) => route.fulfill(answer);
/** The server does its work, and the answer never arrives. */
export const lost = async (route) => {
  await route.fetch();
  await route.abort();
};
/** A part of the answer, its beginning. */
export const cutOff = (part) => async (route) => {
  const response = await route.fetch();
  const body = await response.body();
  return route.fulfill({ status: 200, headers: response.headers(), body: body.subarray(0, Math.floor(body.length * part)) });
};

/** Makes the tab fail at the nth transaction that writes: it stands still before or after it, or the third write of it is refused. */
export const failAt = ({ page }, number, how) => page.evaluate(([number, how]) => {
  const begin = IDBDatabase.prototype.transaction;
  let seen = 0;
  IDBDatabase.prototype.transaction = function transaction(stores, mode, options) {
    const begun = begin.call(this, stores, mode, options);
    if (mode !== "readwrite" || (seen += 1) !== number) return begun;
    window.reached = true;
    // Nothing of the tab goes on until it is closed.
    const stop = () => {
      const request = new XMLHttpRequest();
      request.open("GET", "/killed", false);
      request.send();
    };
    if (how === "before") stop();
    if (how === "after") {
      const commit = begun.commit.bind(begun);
      begun.commit = () => {
        commit();
        stop();
      };
    }
    if (how !== "refuse") return begun;
    let puts = 0;
    const store = begun.objectStore.bind(begun);
    begun.objectStore = (name) => {
      const found = store(name);
      const put = found.put.bind(found);
      found.put = (...values) => {
        if ((puts += 1) < 3) return put(...values);
        throw new DOMException("no room", "QuotaExceededError");
      };
      return found;
    };
    return begun;
  };
}, [number, how]);

/** A promise and what keeps it. */
export function promised() {
  let resolve;
  const promise = new Promise((kept) => (resolve = kept));
  return { promise, resolve };
}

/** Freezes a tab: none of its scripts, timers and answers go on until it thaws. Headless Chromium freezes no tab by itself. */
export async function freeze({ page }) {
  const { promise: thawed, resolve: go } = promised();
  const { promise: still, resolve: reached } = promised();
  await page.route("**/frozen", async (route) => {
    reached();
    await thawed;
    await route.fulfill({ body: "thawed" });
  });
  // Its one thread waits here, but not within a transaction: browsers freeze no tab that others wait for.
  const ticks = page.evaluate(async () => {
    const busy = async () => window.transactions > 0 || (await navigator.locks.query()).held.some(({ name }) => !name.endsWith(":sync"));
    while (await busy() || window.transactions > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const wait = () => {
      const request = new XMLHttpRequest();
      request.open("GET", "/frozen", false);
      request.send();
      return request.responseText;
    };
    let ticks = 0;
    const timer = setInterval(() => (ticks += 1), 20);
    const text = wait();
    clearInterval(timer);
    return [text, ticks];
  });
  await still;
  return async () => {
    go();
    assert.deepEqual(await ticks, ["thawed", 0]);
  };
}

/** Lets time pass for what a tab measures. */
export const later = ({ page }, milliseconds) => page.evaluate((milliseconds) => {
  const now = performance.now.bind(performance);
  performance.now = () => now() + milliseconds;
}, milliseconds);

/** Closes a device's tab without a word and opens another one on the same data. */
export async function reopen(of, extra) {
  await of.page.close({ runBeforeUnload: false });
  of.page = await of.context.newPage();
  await openApp(of.page, extra);
}

const said = [];
/** Plays a scenario. With `ONLY=frozen` in the environment only those whose description holds that word. */
export async function scenario(number, what, work) {
  if (!what.includes(process.env.ONLY ?? "")) return;
  const began = performance.now();
  await work();
  said.push(number);
  console.log(`ok ${number} ${what} (${Math.round(performance.now() - began)} ms)`);
}

/** Plays scenarios, says how many there were, and ends with a failure where one failed. */
export async function play(scenarios) {
  try {
    await scenarios();
    console.log(`${said.length} scenarios`);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}
