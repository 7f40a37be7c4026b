// First sync and first list items against plain JavaScript, in one run of Chromium.
//
//   node figures.mjs <address> <rounds>
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

const [address, rounds = "3"] = process.argv.slice(2);
const executablePath = execFileSync("which", [process.env.CHROMIUM ?? "chromium"], { encoding: "utf8" }).trim();
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const context = await browser.newContext();
const page = await context.newPage();
// A page of the same address without the app.
await page.goto(`${address}/manifest.webmanifest`);

/** By hand: fetches the records as JSON page by page and puts each page in one transaction. */
async function byHand({ rows, batch }) {
  const name = `plain-${Math.random()}`;
  const open = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const opening = indexedDB.open(name);
  opening.onupgradeneeded = () => opening.result.createObjectStore("Customer", { keyPath: "id" }).createIndex("name", "name");
  const database = await open(opening);
  const began = performance.now();
  for (let from = 0; from < rows.length; from += batch) {
    // The same records as one JSON answer: made into a response, read as one.
    const text = JSON.stringify(rows.slice(from, from + batch));
    const records = await new Response(new Blob([text])).json();
    const transaction = database.transaction("Customer", "readwrite", { durability: "relaxed" });
    const store = transaction.objectStore("Customer");
    for (const record of records) store.put(record);
    await new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
  }
  const put = performance.now() - began;
  const listing = performance.now();
  const found = await open(database.transaction("Customer").objectStore("Customer").index("name").getAll(null, 50));
  const list = performance.now() - listing;
  database.close();
  indexedDB.deleteDatabase(name);
  return { put, list, found: found.length };
}

/** The same with OnSync, its server and its transport. */
async function byOnSync(config) {
  const { default: init, OnSync } = await import("/onsync/onsync.js");
  await init();
  const name = `onsync-${Math.random()}`;
  const app = await OnSync.open({
    ...config, triggers: {}, transport: { kind: "http", url: location.origin },
    store: { kind: "indexeddb", path: name },
  });
  const began = performance.now();
  const summary = await app.onSync("Everything").outcome();
  const sync = performance.now() - began;
  const listing = performance.now();
  const found = await app.query({ entity: "Customer", order: "name", limit: 50 });
  const list = performance.now() - listing;
  const all = await app.query("Customer");
  app.close();
  indexedDB.deleteDatabase(name);
  return { sync, list, found: found.length, all, received: summary.received, requests: summary.requests };
}

const config = await page.evaluate(async () => (await fetch("/config.json")).json());
const batch = Number(process.env.BATCH ?? config.store.page_rows ?? 2000);
for (let round = 0; round < Number(rounds); round += 1) {
  const ours = await page.evaluate(byOnSync, config);
  const { all, ...told } = ours;
  const plain = await page.evaluate(byHand, { rows: all, batch });
  console.log(JSON.stringify({ records: all.length, ...told, plain, ratio: ours.sync / plain.put }));
}
await browser.close();
