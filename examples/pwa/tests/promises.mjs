// What OnSync promises, in real Chromium: the scenarios of docs/reliability.md that apply to a browser, without the app's own pages.
//
//   node promises.mjs <address>
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import {
  ARGUMENTS, address, answers, browser, conflicts, create, cutOff, device, executablePath, failAt, freeze, fulfilled, later, lost, ok, openApp, play, promised, query,
  scenario as counted, shared, sync, there, update, waiting,
} from "./harness.mjs";

const pattern = shared.entities.Visit.pattern;
const detects = pattern === "read-write-conflict-detection";
/** Under another pattern than the app's: what differs from pattern to pattern, and no more of what is the engine's. */
const OF_PATTERNS = [4, 5, 6, 10, 11, 12, 13, 22, 25, 27, 28, ...(pattern === "read-write-one-to-many" ? [3] : [])];
const scenario = async (number, what, work) => {
  if (detects || OF_PATTERNS.includes(number)) await counted(number, what, work);
};

const visits = (of, where) => query(of, "Visit", where);
const customers = async (of) => (await query(of, "Customer")).length;
const make = (of, values) => create(of, "Visit", values);
const change = (of, key, values) => update(of, "Visit", key, values);
const server = (where) => there("Visit", where);

await play(async () => {
  await scenario(3, "a tab killed at every write of a first sync, one by one", async () => {
    const whole = await device();
    await ok(whole);
    const wanted = [await customers(whole), (await visits(whole)).length, 0];
    assert.ok(wanted[0] >= 200 && wanted[1] >= 40, String(wanted));
    let kills = 0;
    // Before anything of a transaction is stored, and when all of it is and the tab does not know.
    for (let [write, more] = [1, true]; more; write += 1) {
      for (const how of ["before", "after"]) {
        const context = await browser.newContext();
        const page = await context.newPage();
        await openApp(page, { store: { page_rows: 60 } });
        const { promise: killed, resolve } = promised();
        // It is never answered.
        await page.route("**/killed", () => resolve("killed"));
        await failAt({ page }, write, how);
        const ended = page.evaluate(() => window.app.onSync("All").outcome().then(() => "ended")).catch((error) => String(error));
        const what = await Promise.race([ended, killed]);
        await page.close({ runBeforeUnload: false });
        if (what === "killed") {
          kills += 1;
          const after = { context, page: await context.newPage() };
          await openApp(after.page);
          await ok(after);
          assert.deepEqual([await customers(after), (await visits(after)).length, await waiting(after)], wanted, `${write} ${how}`);
        } else {
          assert.equal(what, "ended");
          more = false;
        }
        await context.close();
      }
    }
    assert.ok(kills >= 10, `${kills} kills`);
    console.log(`   ${kills} kills`);
    await whole.context.close();
  });

  await scenario(4, "the store refuses a record within a page: the page is absent as a whole", async () => {
    const one = await device();
    await failAt(one, 4, "refuse");
    const refused = await sync(one);
    assert.equal(refused.code, "disk_full", JSON.stringify(refused));
    const [first, reached] = [await customers(one), await one.page.evaluate(() => window.reached)];
    assert.ok(reached && first % 25 === 0 && first < 200, `${first} customers`);
    await ok(one);
    assert.equal(await customers(one), 200);
    await one.context.close();
  });

  await scenario(5, "an answer arrives after its time-out and after a newer one: nothing goes back", async () => {
    const [one, other] = [await device(), await device()];
    const key = await make(one, { title: "Late", minutes: 1 });
    await ok(one);
    await ok(other);
    await change(one, key, { minutes: 2 });
    await ok(one);
    const { promise: held, resolve: release } = promised();
    let answered;
    await answers(other, async (route) => {
      const response = await route.fetch();
      answered = held.then(() => route.fulfill({ response })).catch(() => "nobody waits for it");
    });
    const late = await sync(other, "Short");
    assert.ok(late.code, JSON.stringify(late));
    assert.equal((await visits(other, { title: "Late" }))[0].minutes, 1);
    await change(one, key, { minutes: 3 });
    await ok(one);
    await ok(other);
    assert.equal((await visits(other, { title: "Late" }))[0].minutes, 3);
    release();
    await answered;
    await ok(other);
    assert.equal((await visits(other, { title: "Late" }))[0].minutes, 3);
    await one.context.close();
    await other.context.close();
  });

  await scenario(6, "nonsense in place of an answer changes nothing and is told", async () => {
    const one = await device();
    await ok(one);
    const before = await visits(one);
    const key = await make(one, { title: "Through nonsense" });
    for (const nonsense of [
      fulfilled({ status: 200, contentType: "application/json", body: "[]" }),
      fulfilled({ status: 200, contentType: "text/html", body: "<!doctype html><p>Accept the terms of this network" }),
      fulfilled({ status: 204 }),
      fulfilled({ status: 200, contentType: "application/octet-stream", body: "" }),
      cutOff(0.5),
    ]) {
      await answers(one, nonsense);
      const told = await sync(one);
      assert.ok(told.code && told.message, JSON.stringify(told));
      assert.equal((await visits(one)).length, before.length + 1);
    }
    await ok(one);
    assert.equal((await server({ title: "Through nonsense" })).filter((visit) => visit.id === key).length, 1);
    await one.context.close();
  });

  await scenario(10, "a record edited, and deleted, while its change is on the wire", async () => {
    const one = await device();
    await ok(one);
    const [edited, deleted] = [await make(one, { title: "Ten", minutes: 1 }), await make(one, { title: "Ten gone" })];
    await answers(one, async (route) => {
      await change(one, edited, { minutes: 2 });
      await one.page.evaluate((key) => window.app.delete("Visit", key), deleted);
      return route.continue();
    });
    await ok(one);
    assert.equal((await visits(one, { title: "Ten" }))[0].minutes, 2);
    await ok(one);
    assert.equal(await waiting(one), 0);
    assert.deepEqual(await conflicts(one), []);
    assert.equal((await server({ title: "Ten" }))[0].minutes, 2);
    assert.equal((await server({ title: "Ten gone" })).length, 0);
    await one.context.close();
  });

  if (!detects) await scenario(11, "a change arrives for a record with an unsent edit: attributes merge, the last push wins", async () => {
    const [one, other] = [await device(), await device()];
    const key = await make(one, { title: "Eleven", notes: "base", minutes: 1 });
    await ok(one);
    await ok(other);
    await change(other, key, { notes: "theirs" });
    await ok(other);
    await change(one, key, { minutes: 2 });
    await ok(one);
    const both = ({ notes, minutes }) => [notes, minutes];
    assert.deepEqual((await visits(one, { title: "Eleven" })).map(both), [["theirs", 2]]);
    await change(other, key, { notes: "earlier" });
    await ok(other);
    await change(one, key, { notes: "later" });
    // Nothing that arrives takes away what was written here.
    await ok(one, "Pull");
    assert.deepEqual((await visits(one, { title: "Eleven" })).map(both), [["later", 2]]);
    await ok(one);
    await ok(other);
    assert.deepEqual(await conflicts(one), []);
    assert.deepEqual((await visits(other, { title: "Eleven" })).map(both), [["later", 2]]);
    assert.deepEqual((await server({ title: "Eleven" })).map(both), [["later", 2]]);
    await one.context.close();
    await other.context.close();
  });

  if (detects) await scenario(11, "a change arrives for a record with an unsent edit: one conflict, mine stays visible", async () => {
    const [one, other] = [await device(), await device()];
    const key = await make(one, { title: "Eleven", notes: "base" });
    await ok(one);
    await ok(other);
    await change(other, key, { notes: "theirs" });
    await ok(other);
    await change(one, key, { notes: "mine" });
    await sync(one);
    assert.equal((await visits(one, { title: "Eleven" }))[0].notes, "mine");
    const found = await conflicts(one);
    assert.deepEqual(found.map(({ base, mine, theirs }) => [base.notes, mine.notes, theirs.notes]), [["base", "mine", "theirs"]]);
    await one.page.evaluate((key) => window.app.resolveConflict("Visit", key, "keepMine"), key);
    await ok(one);
    assert.equal((await server({ title: "Eleven" }))[0].notes, "mine");
    await one.context.close();
    await other.context.close();
  });

  await scenario(12, "applied, answer lost, pulled, pushed again: no conflict with oneself", async () => {
    const one = await device();
    const key = await make(one, { title: "Twelve", minutes: 1 });
    await ok(one);
    await change(one, key, { minutes: 2 });
    await answers(one, lost);
    assert.ok((await sync(one)).code);
    await ok(one, "Pull");
    await ok(one);
    assert.deepEqual([await conflicts(one), await waiting(one)], [[], 0]);
    const [there] = await server({ title: "Twelve" });
    assert.equal(there.minutes, 2);
    await one.context.close();
  });

  await scenario(13, "two devices write the same: no conflict", async () => {
    const [one, other] = [await device(), await device()];
    const key = await make(one, { title: "Thirteen", status: "planned" });
    await ok(one);
    await ok(other);
    await change(one, key, { status: "done" });
    await change(other, key, { status: "done" });
    await ok(one);
    await ok(other);
    assert.deepEqual([await conflicts(other), await waiting(other)], [[], 0]);
    await one.context.close();
    await other.context.close();
  });

  await scenario(22, "a pull delivers a record whose create was applied and not acknowledged: one record", async () => {
    const one = await device();
    await ok(one);
    const key = await make(one, { title: "Twenty-two" });
    await answers(one, lost);
    assert.ok((await sync(one)).code);
    await ok(one, "Pull");
    assert.deepEqual((await visits(one, { title: "Twenty-two" })).map((visit) => visit.id), [key]);
    await ok(one);
    assert.deepEqual((await visits(one, { title: "Twenty-two" })).map((visit) => visit.id), [key]);
    assert.equal((await server({ title: "Twenty-two" })).length, 1);
    await one.context.close();
  });

  await scenario(25, "the server stores another form of a value: the device has it, and idle syncs write nothing", async () => {
    const one = await device();
    // The office's database trims titles.
    await make(one, { title: "   Twenty-five   " });
    await ok(one);
    await ok(one);
    assert.equal((await visits(one, { title: "Twenty-five" })).length, 1);
    const idle = await ok(one);
    assert.deepEqual([idle.received, idle.sent, idle.applied], [0, 0, 0], JSON.stringify(idle));
    await one.context.close();
  });

  await scenario(27, "five tabs write and sync at once, one is closed meanwhile: one effect of each change", async () => {
    const first = await device();
    const tabs = [first];
    while (tabs.length < 5) {
      const tab = { context: first.context, page: await first.context.newPage() };
      await openApp(tab.page);
      tabs.push(tab);
    }
    const work = tabs.map(({ page }, tab) => page.evaluate(async (tab) => {
      for (let round = 0; round < 4; round += 1) {
        const many = Array.from({ length: 5 }, (_, n) => ({ title: `Five tabs ${tab} ${round} ${n}` }));
        await window.app.createMany("Visit", many);
        window.app.onSync("All").outcome().catch(() => {});
      }
      return true;
    }, tab));
    await Promise.all(work.slice(1));
    await work[0];
    await tabs[0].page.close({ runBeforeUnload: false });
    for (const tab of tabs.slice(1)) {
      // One syncs at a time; the others are told so, and here they ask again, a little later.
      let summary = await sync(tab);
      while (summary.code === "another_process_syncs") {
        await tab.page.waitForTimeout(250);
        summary = await sync(tab);
      }
      assert.equal(summary.code, undefined, JSON.stringify(summary));
    }
    const titles = (await server({ title: { contains: "Five tabs" } })).map((visit) => visit.title);
    assert.equal(titles.length, 100);
    assert.equal(new Set(titles).size, 100);
    for (const tab of tabs.slice(1)) {
      assert.equal((await visits(tab, { title: { contains: "Five tabs" } })).length, 100);
      assert.equal(await waiting(tab), 0);
    }
    await first.context.close();
  });

  for (const stands of ["on its way", "answered"]) {
    await scenario(27, `the holder of the sync lock is frozen while its push is ${stands}: another tab takes over, and the late one is refused`, async () => {
      const holder = await device();
      await ok(holder);
      const others = [];
      while (others.length < 4) {
        const tab = { context: holder.context, page: await holder.context.newPage() };
        await openApp(tab.page);
        others.push(tab);
      }
      const title = (n) => `Frozen ${stands} ${n}`;
      const key = await make(holder, { title: title("holder"), minutes: 1 });
      const { promise: thawed, resolve: go } = promised();
      const { promise: sent, resolve: reached } = promised();
      await answers(holder, async (route) => {
        const response = stands === "answered" && (await route.fetch());
        reached();
        await thawed;
        return response ? route.fulfill({ response }) : route.continue();
      });
      const late = sync(holder);
      await sent;
      const thaw = await freeze(holder);
      const turnedAway = async (tabs) => (await Promise.all(tabs.map((tab) => sync(tab)))).filter(({ code }) => code === "another_process_syncs");
      // Everybody goes on writing, also what the frozen one has sent and does not know to be stored, and nobody syncs.
      await Promise.all(others.map((tab, n) => make(tab, { title: title(n) })));
      await change(others[0], key, { minutes: 2 });
      for (let look = 0; look < 3; look += 1) assert.equal((await turnedAway(others)).length, others.length);
      // Half a minute of looking at a holder that shows no sign of life.
      for (const tab of others) await later(tab, 31_000);
      assert.equal((await turnedAway(others)).length, others.length - 1, "one of them takes over");
      const after = others.map(({ page }) => page.evaluate(async () => {
        const summary = await window.app.onSync("All").outcome().catch((error) => error);
        return summary.code ?? "synced";
      }));
      const codes = await Promise.all(after);
      assert.ok(codes.includes("synced"), String(codes));
      await thaw();
      go();
      assert.equal((await late).code, "another_process_syncs", "what comes late is refused");
      for (const tab of [holder, ...others]) await ok(tab);
      const wanted = [["holder", 2], [0, null], [1, null], [2, null], [3, null]].map(([n, minutes]) => [title(n), minutes]).sort();
      const told = (found) => found.map(({ title, minutes }) => [title, minutes]).sort();
      assert.deepEqual(told(await server({ title: { contains: `Frozen ${stands}` } })), wanted);
      for (const tab of [holder, ...others]) {
        assert.deepEqual(told(await visits(tab, { title: { contains: `Frozen ${stands}` } })), wanted);
        assert.deepEqual([await waiting(tab), await conflicts(tab)], [0, []]);
      }
      await holder.context.close();
    });
  }

  await scenario(28, "no room at every write of an edit and of a sync: stored or refused, and it goes on with room", async () => {
    const one = await device();
    await ok(one);
    let refusals = 0;
    for (let number = 1; number <= 6; number += 1) {
      await failAt(one, number, "refuse");
      const code = await one.page.evaluate(async (number) => {
        try {
          await window.app.createMany("Visit", Array.from({ length: 4 }, (_, n) => ({ title: `Full ${number} ${n}` })));
          return "";
        } catch (error) {
          return error.code;
        }
      }, number);
      const stored = (await visits(one, { title: { contains: `Full ${number} ` } })).length;
      assert.equal(stored, code ? 0 : 4, `${number}: ${code}`);
      if (code) assert.equal(code, "disk_full");
      const synced = await sync(one);
      if (code || synced.code) refusals += 1;
      // Another load of the page has another count of writes.
      await openApp(one.page);
    }
    assert.ok(refusals >= 4, `${refusals} refusals`);
    await ok(one);
    assert.equal(await waiting(one), 0);
    const here = (await visits(one, { title: { contains: "Full " } })).map((visit) => visit.title);
    assert.deepEqual((await server({ title: { contains: "Full " } })).map((visit) => visit.title).sort(), here.sort());

    await one.context.close();

    // And by the browser's own quota, which it counts in a profile on disk only, and some time after the writes.
    const profile = mkdtempSync(join(tmpdir(), "onsync-quota-"));
    const context = await chromium.launchPersistentContext(profile, { executablePath, args: ARGUMENTS });
    const full = { context, page: await context.newPage() };
    const session = await context.newCDPSession(full.page);
    await session.send("Storage.overrideQuotaForOrigin", { origin: address, quotaSize: 1_000_000 });
    await openApp(full.page);
    const big = await full.page.evaluate(async () => {
      try {
        for (let round = 0; round < 60; round += 1) {
          await window.app.createMany("Visit", Array.from({ length: 50 }, () => ({ title: "Big", notes: "x".repeat(30_000) })));
        }
        return "";
      } catch (error) {
        return error.code;
      }
    });
    assert.equal(big, "disk_full");
    const stored = (await visits(full, { title: "Big" })).length;
    await session.send("Storage.overrideQuotaForOrigin", { origin: address });
    await make(full, { title: "Big", notes: "there is room again" });
    assert.deepEqual([(await visits(full, { title: "Big" })).length, await waiting(full)], [stored + 1, stored + 1]);
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  });

  await scenario("transport", "what stands in place of an answer has its code, and a redirect within the address is followed", async () => {
    const one = await device();
    await ok(one);
    const key = await make(one, { title: "Redirected" });
    const redirect = (location) => fulfilled({ status: 307, headers: { location } });
    const json = (status, code, headers) =>
      fulfilled({ status, headers, contentType: "application/json", body: JSON.stringify({ kind: "fatal", code, message: "made up" }) });
    for (const [answer, code] of [
      [(route) => route.abort(), "server_unreachable"],
      // Another origin that has not allowed it: the browser tells no more.
      [redirect(`${address.replace("localhost", "127.0.0.1")}/v1/sync`), "server_unreachable"],
      [redirect("/v1/sync-no-more"), "not_onsync"],
      [fulfilled({ status: 503, headers: { "retry-after": "1" } }), "server_busy"],
      [fulfilled({ status: 413 }), "request_too_large"],
      [fulfilled({ status: 426 }), "protocol_unsupported"],
      [json(409, "its_own_code"), "its_own_code"],
    ]) {
      await answers(one, answer);
      const told = await sync(one);
      assert.equal(told.code, code, JSON.stringify(told));
    }
    await answers(one, redirect("/v1/sync?again"));
    await ok(one);
    assert.deepEqual((await server({ title: "Redirected" })).map((visit) => visit.id), [key]);
    // The token that is asked for anew is refused, too.
    await answers(one, json(401, "unauthorised"), json(401, "unauthorised"));
    assert.equal((await sync(one)).code, "unauthorised");
    await one.context.close();
  });

  await scenario("eviction", "a database that the browser deleted is noticed, fetched again, and deletes nothing", async () => {
    const one = await device();
    await ok(one);
    const before = (await visits(one)).length;
    const key = await make(one, { title: "Never sent" });
    assert.ok(key);
    const told = await one.page.evaluate(async () => {
      await new Promise((resolve, reject) => {
        const request = indexedDB.deleteDatabase("promises");
        request.onsuccess = resolve;
        request.onerror = () => reject(request.error);
      });
      try {
        await window.app.query("Visit");
        return "";
      } catch (error) {
        return [error.code, error.message];
      }
    });
    assert.equal(told[0], "store_unavailable", String(told));
    await openApp(one.page);
    assert.equal(await one.page.evaluate(() => window.app.opened().created), true);
    await ok(one);
    assert.equal((await visits(one)).length, before, "what was not sent is gone, as the warning says");
    assert.equal((await server({})).length, before, "nothing was deleted on the server");
    await one.context.close();
  });

  await scenario("persistence", "the app is warned while there are unsent changes in storage that may be deleted", async () => {
    const one = await device();
    const kept = await one.page.evaluate(() => navigator.storage.persisted());
    await make(one, { title: "Unsent" });
    await openApp(one.page);
    const warnings = await one.page.evaluate(() => window.app.opened().warnings);
    assert.equal(warnings.some((warning) => warning.includes("unsent changes")), !kept, String(warnings));
    const storage = await one.page.evaluate(() => window.app.storage());
    assert.equal(storage.persisted, kept);
    assert.ok(storage.usage >= 0 && storage.quota > 0, JSON.stringify(storage));
    assert.equal(storage.atRisk, !kept);
    await ok(one);
    assert.equal((await one.page.evaluate(() => window.app.storage())).atRisk, false);
    await one.context.close();
  });
});
