// The JavaScript face in real Chromium: values of all types, live queries, transactions, functions in the places of plug-ins, users, lists.
//
//   node face.mjs <address>
import assert from "node:assert/strict";
import { answers, create, device, ok, play, query, reopen, scenario, sync, there, update, waiting } from "./harness.mjs";

/** Opens the app of a tab again, with options made in the page by the text of a function. */
const open = ({ page }, options, config = {}) => page.evaluate(async ([options, config]) => {
  window.app.close();
  window.heard = [];
  window.app = await window.OnSync.open({ ...window.config, ...config }, { log: "error", credentials: () => "everybody", ...eval(options)() });
}, [`(${options})`, config]);
/** What a piece of work in the page ends with: its value, or code and message of what it threw. */
const tried = ({ page }, work, given) => page.evaluate(async ([work, given]) => {
  try {
    return await eval(work)(given);
  } catch (error) {
    return { code: error.code, kind: error.kind, error: error instanceof Error, message: error.message };
  }
}, [`(${work})`, given]);
const names = async (of) => (await query(of, "Thing")).map(({ name }) => name).sort();

await play(async () => {
  await scenario("types", "values of all types come back as they are declared, here and on another device; others are refused", async () => {
    const [one, other] = [await device(), await device()];
    const told = await tried(one, async () => {
      const values = {
        name: "Grüezi 🚐 \u2028", flag: true, count: 2n ** 60n, price: "12.50", size: 0.1, day: "2026-11-23", at: "07:30:00.000001",
        stamp: new Date(Date.UTC(2026, 10, 23, 7, 30)), wall: "2026-11-23T07:30:00", doc: { list: [1, null, { deep: "x" }] }, photo: new Uint8Array([0, 255, 7]),
      };
      const keys = [await window.app.create("Thing", values), await window.app.create("Thing", { name: "few", count: -5, price: 1.5 })];
      window.shown = async () => {
        const found = await window.app.query({ entity: "Thing", order: "name" });
        return found.map(({ id, photo, count, ...rest }) => ({
          ...rest, id, photo: photo && [photo.constructor.name, ...photo], count: typeof count === "bigint" ? `${count}n` : count,
        }));
      };
      return [keys, await window.shown()];
    });
    const [keys, here] = told;
    const wanted = [
      {
        id: keys[0], name: "Grüezi 🚐 \u2028", flag: true, count: `${2n ** 60n}n`, price: "12.50", size: 0.1, day: "2026-11-23", at: "07:30:00.000001",
        stamp: "2026-11-23T07:30:00.000000Z", wall: "2026-11-23T07:30:00.000000", doc: { list: [1, null, { deep: "x" }] }, photo: ["Uint8Array", 0, 255, 7],
      },
      { id: keys[1], name: "few", flag: null, count: -5, price: "1.5", size: null, day: null, at: null, stamp: null, wall: null, doc: null, photo: null },
    ];
    assert.deepEqual(here, wanted);
    await ok(one);
    await ok(other);
    await one.page.evaluate(() => window.shown.toString()).then((text) => other.page.evaluate((text) => (window.shown = eval(`(${text})`)), text));
    assert.deepEqual(await other.page.evaluate(() => window.shown()), wanted);
    for (const bad of ['{ size: NaN }', '{ size: "1" }', '{ count: 1.5 }', '{ count: 2 ** 60 }', '{ day: "today" }', '{ flag: "yes" }', '{ photo: [1] }', '{ name: "a\\0b" }', '{ nmae: "x" }']) {
      const refused = await tried(one, `async () => window.app.create("Thing", ${bad})`);
      assert.ok(refused.error && refused.code && refused.kind && refused.message, `${bad}: ${JSON.stringify(refused)}`);
    }
    assert.equal((await query(one, "Thing")).length, 2);
    await one.context.close();
    await other.context.close();
  });

  await scenario("live", "a live query keeps its snapshot until the result changes, tells of each change, and stops", async () => {
    const one = await device();
    const seen = await tried(one, async () => {
      const { app } = window;
      const live = app.watch({ entity: "Thing", where: { name: { contains: "live" } }, order: "-name" });
      const { subscribe, snapshot } = { subscribe: live.subscribe.bind(live), snapshot: live.snapshot.bind(live) };
      let calls = 0;
      let called;
      const next = () => new Promise((resolve) => (called = resolve));
      const first = next();
      const leave = subscribe(() => {
        calls += 1;
        called();
      });
      await first;
      const empty = snapshot();
      let told = next();
      const key = await app.create("Thing", { name: "live 1" });
      await told;
      const one = snapshot();
      const same = one === snapshot() && one !== empty;
      told = next();
      await app.createMany("Thing", [{ name: "live 2" }, { name: "live 3" }]);
      await told;
      const three = snapshot().map(({ name }) => name);
      told = next();
      await app.delete("Thing", key);
      await told;
      const two = snapshot().map(({ name }) => name);
      leave();
      const before = calls;
      await app.create("Thing", { name: "live 4" });
      await app.query("Thing");
      return { empty, same, three, two, error: live.error(), after: calls - before };
    });
    assert.deepEqual(seen, { empty: [], same: true, three: ["live 3", "live 2", "live 1"], two: ["live 3", "live 2"], error: null, after: 0 });
    await one.context.close();
  });

  await scenario("transaction", "a transaction reads what it wrote, is undone when its function throws, and is one group if it says so", async () => {
    const one = await device();
    await ok(one);
    const done = await tried(one, async () => {
      const { app } = window;
      const made = await app.transaction(async (tx) => {
        const key = await tx.create("Thing", { name: "kept" });
        await tx.update("Thing", key, { count: 1 });
        return [(await tx.get("Thing", key)).count, (await app.get("Thing", key)) === null];
      });
      let thrown;
      try {
        await app.transaction(async (tx) => {
          await tx.create("Thing", { name: "undone" });
          throw new RangeError("the app's own");
        });
      } catch (error) {
        thrown = error.message;
      }
      await app.transaction(async (tx) => {
        await tx.atomicGroup();
        await tx.create("Thing", { name: "together" });
        await tx.create("Thing", { name: "refused" });
      });
      return [made, thrown.includes("the app's own")];
    });
    assert.deepEqual(done, [[1, true], true]);
    await ok(one);
    const there_ = (await there("Thing")).map(({ name }) => name);
    assert.ok(there_.includes("kept") && !there_.includes("together") && !there_.includes("undone"), String(there_));
    await one.context.close();
  });

  await scenario("lists", "what is refused is listed live, can be shown, put right, tried again or given up; the bin gives back", async () => {
    const one = await device();
    await ok(one);
    const key = await create(one, "Thing", { name: "refused" });
    const listed = await tried(one, async () => {
      const { app } = window;
      const live = app.watchRejected();
      const filled = new Promise((resolve) => live.subscribe(() => live.snapshot()?.length && resolve(live.snapshot())));
      await app.onSync("All").outcome();
      const [entry] = await filled;
      return [entry.entity, entry.key, entry.values.name, entry.rejection.code !== "", (await app.showDiscard(entry.number)).map(({ what }) => what), await app.recordState("Thing", entry.key)];
    });
    assert.deepEqual(listed, ["Thing", key, "refused", true, ["removed"], "rejected"]);
    assert.equal(await tried(one, async () => window.app.retryRejected((await window.app.rejected())[0].number)), true);
    await ok(one);
    assert.deepEqual(await tried(one, async () => (await window.app.discardRejected((await window.app.rejected())[0].number)).map(({ what }) => what)), ["removed"]);
    const bin = await tried(one, async () => {
      const [entry] = await window.app.bin({ entity: "Thing", reason: "discarded" });
      const key = await window.app.restore(entry.id);
      await window.app.update("Thing", key, { name: "put right" });
      return [entry.values.name, await window.app.emptyBin(), (await window.app.bin()).length];
    });
    assert.deepEqual([bin[0], bin[2]], ["refused", 0]);
    await ok(one);
    assert.ok((await there("Thing")).some(({ name }) => name === "put right"));
    await one.context.close();
  });

  await scenario("handler", "the app's own handler gets context and parameters, syncs what it says, and its failure is the run's", async () => {
    const one = await device();
    await open(one, () => ({
      onSync: async (run, context, parameters) => {
        window.heard.push([context, parameters]);
        if (context === "Fails") throw new Error("not today");
        if (context === "Itself") await run.onSync("Itself");
        const summary = await run.sync(["Thing"], context === "Push" ? "push" : "both");
        window.heard.push(summary.sent);
      },
    }));
    await create(one, "Thing", { name: "by the handler" });
    await tried(one, async () => window.app.onSync("Push", { week: 7, name: "x" }).outcome());
    assert.deepEqual(await one.page.evaluate(() => window.heard), [["Push", { week: 7, name: "x" }], 1]);
    assert.ok(!(await names(one)).includes("kept"), "nothing was pulled");
    await ok(one, "Anything");
    assert.ok((await names(one)).includes("kept"));
    const failed = await sync(one, "Fails");
    assert.ok(failed.code && failed.message.includes("not today"), JSON.stringify(failed));
    assert.ok((await sync(one, "Itself")).code);
    await one.context.close();
  });

  await scenario("listeners", "each listener hears start, progress and end; one that throws harms nobody; one that left hears nothing", async () => {
    const one = await device();
    const events = await tried(one, async () => {
      const heard = [];
      const { app } = window;
      app.listen(() => {
        throw new Error("a bad listener");
      });
      const leave = app.listen(({ event, at }) => heard.push([event, typeof at]));
      await app.onSync("All").outcome();
      leave();
      const count = heard.length;
      await app.onSync("All").outcome();
      return [heard.map(([event]) => event), heard.length - count, heard.every(([, at]) => at === "string")];
    });
    const kinds = events[0].filter((event) => event.startsWith("OnSync"));
    assert.deepEqual([kinds[0], kinds.at(-1), kinds.includes("OnSyncProgress")], ["OnSyncStart", "OnSyncComplete", true], String(kinds));
    assert.deepEqual(events.slice(1), [0, true]);
    await one.context.close();
  });

  await scenario("resolver", "a function of the app decides conflicts; where it throws, a person is asked", async () => {
    const [one, other] = [await device(), await device()];
    const config = await one.page.evaluate(() => ({ entities: { Thing: { ...window.config.entities.Thing, resolver: "longest" } } }));
    await open(one, () => ({
      resolvers: {
        longest: ({ mine, theirs, attributes }) => {
          if (mine.name === "throws") throw new Error("undecided");
          const changed = attributes.filter(({ changedHere }) => changedHere).map(({ name }) => name);
          return { merge: { name: mine.name.length > theirs.name.length ? mine.name : theirs.name, doc: { changed } } };
        },
      },
    }), config);
    const [key, second] = [await create(one, "Thing", { name: "base" }), await create(one, "Thing", { name: "base too" })];
    await ok(one);
    await ok(other);
    await update(other, "Thing", key, { name: "the longest of both" });
    await update(other, "Thing", second, { name: "elsewhere" });
    await ok(other);
    await update(one, "Thing", key, { name: "short" });
    await update(one, "Thing", second, { name: "throws" });
    await sync(one);
    await sync(one);
    const [decided] = (await there("Thing")).filter(({ id }) => id === key);
    assert.deepEqual([decided.name, decided.doc], ["the longest of both", { changed: ["name"] }]);
    const open_ = await tried(one, async () => (await window.app.conflicts()).map(({ mine, theirs }) => [mine.name, theirs.name]));
    assert.deepEqual(open_, [["throws", "elsewhere"]]);
    const resolved = await tried(one, async (key) => {
      const live = window.app.watchConflicts();
      const gone = new Promise((resolve) => live.subscribe(() => live.snapshot()?.length === 0 && resolve(true)));
      await window.app.resolveConflict("Thing", key, "takeTheirs");
      return gone;
    }, second);
    assert.equal(resolved, true);
    await ok(one);
    assert.equal(await waiting(one), 0);
    await one.context.close();
    await other.context.close();
  });

  await scenario("credentials", "a refused token is asked for again; without one syncing waits, keeps everything, and goes on when told", async () => {
    const one = await device();
    await open(one, () => ({
      credentials: async (refused) => {
        window.heard.push(refused);
        return window.token ?? (refused ? "everybody" : "expired");
      },
    }));
    await ok(one);
    assert.deepEqual(await one.page.evaluate(() => window.heard.slice(0, 2)), [false, true]);
    await reopen(one);
    await open(one, () => ({ credentials: () => window.token ?? null }));
    await create(one, "Thing", { name: "waits for a token" });
    const refused = await sync(one);
    assert.equal(refused.code, "unauthorised", JSON.stringify(refused));
    // The status follows a moment later.
    await one.page.waitForFunction(() => window.app.status().needsCredentials, null, { timeout: 10_000 });
    assert.equal(await waiting(one), 1);
    await one.page.evaluate(() => {
      window.token = "everybody";
      window.app.credentialsChanged();
    });
    await ok(one);
    assert.equal(await waiting(one), 0);
    await one.context.close();
  });

  await scenario("users", "each user has a store of their own; signing out sends, keeps or gives up what is unsent", async () => {
    const one = await device();
    const who = () => one.page.evaluate(() => window.app.user());
    await open(one, () => ({ credentials: undefined }), { store: { kind: "indexeddb", path: "of-{user}" } });
    const login = async (name) => assert.equal(await tried(one, (name) => window.app.login(name, () => name), name), undefined);
    await login("ada");
    assert.equal(await who(), "ada");
    await ok(one);
    await create(one, "Thing", { name: "of ada" });
    assert.deepEqual(await tried(one, () => window.app.logout("keep")), { waiting: 1, rejected: 0, conflicts: 0 });
    assert.equal(await who(), null);
    await login("ben");
    assert.ok(!(await names(one)).includes("of ada"));
    await ok(one);
    await create(one, "Thing", { name: "of ben" });
    await answers(one, ...Array.from({ length: 20 }, () => (route) => route.abort()));
    assert.equal((await tried(one, () => window.app.logout("send"))).code, "unsent_changes");
    assert.equal(await who(), "ben");
    assert.equal((await tried(one, () => window.app.logout("discard"))).waiting, 1);
    await answers(one);
    await login("ada");
    assert.equal(await waiting(one), 1, "it was kept");
    assert.equal((await tried(one, () => window.app.logout("send"))).waiting, 0);
    const found = (await there("Thing")).map(({ name }) => name);
    assert.deepEqual([found.includes("of ada"), found.includes("of ben")], [true, false]);
    await one.context.close();
  });

  await scenario("resume", "a page that is looked at again syncs, and one that comes online", async () => {
    const one = await device();
    const triggers = { synchronize_on_resume: "All", synchronize_on_online: "Pull" };
    await open(one, () => ({}), { triggers, network: { kind: "browser" } });
    const told = await tried(one, async () => {
      const ended = () => new Promise((resolve) => {
        const leave = window.app.listen(({ event, context }) => {
          if (event !== "OnSyncComplete") return;
          leave();
          resolve(context);
        });
      });
      const look = (state) => {
        Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
        document.dispatchEvent(new Event("visibilitychange"));
      };
      look("hidden");
      const resumed = ended();
      look("visible");
      return resumed;
    });
    assert.equal(told, "All");
    await one.page.evaluate(() => {
      window.online = new Promise((resolve) => window.app.listen(({ event, context }) => event === "OnSyncComplete" && resolve(context)));
    });
    await one.context.setOffline(true);
    await one.page.waitForFunction(() => window.app.status().offline);
    await one.context.setOffline(false);
    assert.equal(await one.page.evaluate(() => window.online), "Pull");
    await one.context.close();
  });

  await scenario("errors", "what fails is an Error with a code and a kind that says what is wanted", async () => {
    const one = await device();
    for (const [work, code] of [
      [() => window.app.create("Nothing", {}), "unknown_entity"],
      [() => window.app.query({ entity: "Thing", where: { nmae: "x" } }), "unknown_attribute"],
      [() => window.app.get("Thing", "no uuid"), "invalid_value"],
      [() => window.app.onSync("Nowhere").outcome(), "unknown_context"],
      [() => window.OnSync.open({ entities: { Thing: { pattern: "nonsense" } } }), null],
      [() => window.OnSync.open({ transport: { url: location.origin }, nonsense: true }), null],
      [() => window.OnSync.open({}, { credentials: "token" }), null],
    ]) {
      const failed = await tried(one, work);
      assert.ok(failed.error && failed.code && failed.kind && failed.message.length > 20, `${work}: ${JSON.stringify(failed)}`);
      if (code) assert.equal(failed.code, code, JSON.stringify(failed));
    }
    const closed = await tried(one, async () => {
      window.app.close();
      return window.app.query("Thing");
    });
    assert.equal(closed.code, "app_closed", JSON.stringify(closed));
    await one.context.close();
  });
});
