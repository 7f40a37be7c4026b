// Record families on IndexedDB, in real Chromium: companies with their contacts and notes, and what belongs to them by other patterns.
//
//   node families.mjs <address>
import assert from "node:assert/strict";
import { answers, create, cutOff, device, failAt, lost, ok, play, promised, query, reopen, scenario, sync, there, update, waiting } from "./harness.mjs";

/** Makes a company, its contacts, and a note under the first of them; their keys on this device. */
async function family(of, name, contacts = 3) {
  const company = await create(of, "Company", { name });
  const keys = [];
  for (let n = 1; n <= contacts; n += 1) keys.push(await create(of, "Contact", { company_id: company, name: `${name}/${n}` }));
  const note = await create(of, "Note", { contact_id: keys[0], text: `${name}/1/note` });
  return { company, contacts: keys, note };
}

/** What such a family is, each record below its parent. */
const whole = (name, contacts = 3) =>
  [name, ...Array.from({ length: contacts }, (_, n) => `${name} > ${name}/${n + 1}`), `${name} > ${name}/1 > ${name}/1/note`].sort();

/** The records of companies whose name begins so, and records without their parent whatever their name. */
function tree([companies, contacts, notes], name) {
  const [company, contact] = [companies, contacts].map((records) => new Map(records.map((record) => [record.id, record])));
  const path = {
    company: ({ name }) => name,
    contact: (one) => `${company.has(one.company_id) ? path.company(company.get(one.company_id)) : "nobody"} > ${one.name}`,
    note: (one) => `${contact.has(one.contact_id) ? path.contact(contact.get(one.contact_id)) : "nobody"} > ${one.text}`,
  };
  const all = [...companies.map(path.company), ...contacts.map(path.contact), ...notes.map(path.note)];
  return all.filter((line) => line.startsWith(name) || line.startsWith("nobody")).sort();
}

const ENTITIES = ["Company", "Contact", "Note"];
const here = async (of, name) => tree(await Promise.all(ENTITIES.map((entity) => query(of, entity))), name);
const office = async (name) => tree(await Promise.all(ENTITIES.map((entity) => there(entity))), name);
const remove = ({ page }, entity, key) => page.evaluate(async ([entity, key]) => {
  try {
    return await window.app.delete(entity, key);
  } catch (error) {
    return error.code;
  }
}, [entity, key]);
const rejected = ({ page }) => page.evaluate(() => window.app.rejected());

await play(async () => {
  const fates = [["the request", (route) => route.abort()], ["the answer", lost], ["the end of the answer", cutOff(0.6)]];
  for (const [what, fate] of fates) {
    await scenario(20, `a family made offline, ${what} lost, the tab closed: one family, right keys`, async () => {
      const one = await device();
      await ok(one);
      const name = `Twenty ${what}`;
      const made = await family(one, name);
      await answers(one, fate);
      assert.ok((await sync(one)).code);
      await reopen(one);
      assert.deepEqual(await here(one, name), whole(name));
      await ok(one);
      await ok(one);
      assert.equal(await waiting(one), 0);
      assert.deepEqual(await here(one, name), whole(name));
      assert.deepEqual(await office(name), whole(name));
      // The keys that the app holds go on being those of the records, though the office issued others.
      await update(one, "Contact", made.contacts[1], { name: `${name}/later` });
      const fourth = await create(one, "Contact", { company_id: made.company, name: `${name}/4` });
      assert.ok(fourth);
      await ok(one);
      const wanted = [...whole(name).filter((line) => !line.endsWith("/2")), `${name} > ${name}/4`, `${name} > ${name}/later`].sort();
      assert.deepEqual(await office(name), wanted);
      await one.context.close();
    });
  }

  await scenario(21, "one refused record undoes its family and no other; put right, all of it arrives", async () => {
    const one = await device();
    await ok(one);
    await family(one, "Good");
    const bad = await family(one, "Bad");
    await update(one, "Contact", bad.contacts[2], { name: "refused" });
    const summary = await ok(one);
    assert.equal(summary.applied, 5, JSON.stringify(summary));
    assert.deepEqual([await office("Good"), await office("Bad")], [whole("Good"), []]);
    assert.ok((await rejected(one)).length > 0);
    await update(one, "Contact", bad.contacts[2], { name: "Bad/3" });
    await ok(one);
    await ok(one);
    assert.deepEqual(await office("Bad"), whole("Bad"));
    assert.deepEqual([await rejected(one), await waiting(one)], [[], 0]);
    await one.context.close();
  });

  await scenario(21, "a child of another pattern is held while its parent is refused, with the cause named", async () => {
    const one = await device();
    await ok(one);
    const company = await create(one, "Company", { name: "Good" });
    const contract = await create(one, "Contract", { company_id: company, title: "Held" });
    await create(one, "Contract", { title: "Flows" });
    await ok(one);
    assert.deepEqual((await there("Contract")).map(({ title }) => title), ["Flows"]);
    const [listed] = await rejected(one);
    assert.deepEqual([listed.entity, listed.key], ["Company", company]);
    assert.deepEqual(listed.dependents.map(({ entity, key }) => [entity, key]), [["Contract", contract]]);
    await update(one, "Company", company, { name: "Good too" });
    await ok(one);
    await ok(one);
    const [held] = (await there("Contract")).filter(({ title }) => title === "Held");
    const [parent] = (await there("Company")).filter(({ name }) => name === "Good too");
    assert.equal(held.company_id, parent.id);
    await one.context.close();
  });

  await scenario(21, "the parent was deleted elsewhere: its new child is listed, no orphan is stored, the rest flows", async () => {
    const [one, other] = [await device(), await device()];
    const { company } = await family(one, "Gone");
    await ok(one);
    await ok(other);
    const [seen] = (await query(other, "Company")).filter(({ name }) => name === "Gone");
    assert.equal(await remove(other, "Company", seen.id), true);
    await ok(other);
    await create(one, "Contact", { company_id: company, name: "Gone/4" });
    await family(one, "Flows");
    await sync(one);
    await ok(one);
    assert.deepEqual([await office("Gone"), await office("Flows")], [[], whole("Flows")]);
    const listed = await rejected(one);
    assert.deepEqual(listed.map(({ entity, values }) => [entity, values.name]), [["Contact", "Gone/4"]]);
    await one.page.evaluate((number) => window.app.discardRejected(number), listed[0].number);
    assert.deepEqual([await here(one, "Gone"), await rejected(one), await waiting(one)], [[], [], 0]);
    await one.context.close();
    await other.context.close();
  });

  await scenario(22, "a context that only pulls, before the acknowledgement: nothing of the family is there twice", async () => {
    const one = await device();
    await ok(one);
    await family(one, "Twenty-two");
    await answers(one, lost);
    assert.ok((await sync(one)).code);
    await ok(one, "Pull");
    assert.deepEqual(await here(one, "Twenty-two"), whole("Twenty-two"));
    await ok(one);
    await ok(one, "Pull");
    assert.deepEqual(await here(one, "Twenty-two"), whole("Twenty-two"));
    assert.deepEqual(await office("Twenty-two"), whole("Twenty-two"));
    assert.equal(await waiting(one), 0);
    await one.context.close();
  });

  await scenario(5, "a family that arrives is seen whole or not at all: by a reader, cut off anywhere, the tab closed at any write", async () => {
    const small = { store: { page_rows: 4 } };
    const [one, other, killed] = [await device(small), await device(), await device(small)];
    for (const of of [one, other, killed]) await ok(of);
    const wanted = whole("Arrives", 9);
    await family(other, "Arrives", 9);
    await ok(other);
    for (const part of [0.25, 0.5, 0.75, 0.95]) {
      await answers(one, cutOff(part));
      const cut = await sync(one);
      const seen = await here(one, "Arrives");
      assert.ok(seen.length === 0 || seen.length === wanted.length, `${part}: ${seen}`);
      assert.ok(cut.code || seen.length, JSON.stringify(cut));
      if (seen.length) break;
    }
    let kills = 0;
    for (let [write, more] = [1, true]; more; write += 1) {
      for (const how of ["before", "after"]) {
        const { promise: told, resolve } = promised();
        // It is never answered.
        await killed.page.route("**/killed", () => resolve("killed"));
        await failAt(killed, write, how);
        const ended = killed.page.evaluate(() => window.app.onSync("All").outcome().then(() => "ended")).catch((error) => String(error));
        const what = await Promise.race([ended, told]);
        await reopen(killed, small);
        const seen = await here(killed, "Arrives");
        assert.ok(seen.length === 0 || seen.length === wanted.length, `${write} ${how}: ${seen}`);
        if (what === "killed") kills += 1;
        else assert.equal(what, "ended");
        if (seen.length) more = false;
      }
    }
    assert.ok(kills >= 2, `${kills} kills`);
    for (const of of [one, killed]) {
      await ok(of);
      assert.deepEqual(await here(of, "Arrives"), wanted);
    }
    // What a reader sees while the next one arrives.
    await family(other, "Next", 9);
    await ok(other);
    const seen = await one.page.evaluate(async () => {
      const seen = new Set();
      let over = false;
      const end = window.app.onSync("All").outcome().finally(() => (over = true));
      while (!over) {
        seen.add(await window.app.transaction(async (tx) => {
          const [contacts, companies] = [await tx.query("Contact"), await tx.query("Company")];
          return `${companies.filter(({ name }) => name === "Next").length} ${contacts.filter(({ name }) => name.startsWith("Next/")).length}`;
        }));
      }
      await end;
      return [...seen];
    });
    assert.ok(seen.every((counts) => counts === "0 0" || counts === "1 9"), String(seen));
    assert.deepEqual(await here(one, "Next"), whole("Next", 9));
    for (const of of [one, other, killed]) await of.context.close();
  });

  await scenario("rules", "deletion: children go along, lose their reference, or keep their parent; on every device and in the office", async () => {
    const [one, other] = [await device(), await device()];
    const made = await family(one, "Rules");
    const task = await create(one, "Task", { contact_id: made.contacts[0], title: "Call" });
    await create(one, "Contract", { company_id: made.company, title: "Rules" });
    await ok(one);
    await ok(other);
    const [edited] = (await query(other, "Note")).filter(({ text }) => text === "Rules/1/note");
    await update(other, "Note", edited.id, { text: "edited meanwhile" });
    assert.equal(await remove(one, "Contact", made.contacts[0]), true);
    const left = ["Rules", "Rules > Rules/2", "Rules > Rules/3"];
    const callsOf = async (of) => (await query(of, "Task")).map(({ title, contact_id }) => [title, contact_id]);
    assert.deepEqual([await here(one, "Rules"), await callsOf(one)], [left, [["Call", null]]], "at once, here");
    assert.ok(task);
    await ok(one);
    await sync(other);
    await ok(other);
    await ok(one);
    for (const of of [one, other]) assert.deepEqual([await here(of, "Rules"), await callsOf(of)], [left, [["Call", null]]]);
    assert.deepEqual([await office("Rules"), (await there("Task")).map(({ contact_id }) => contact_id)], [left, [null]]);
    const bin = await other.page.evaluate(() => window.app.bin());
    assert.ok(bin.some(({ values }) => values.text === "edited meanwhile"), JSON.stringify(bin));

    // A contract keeps its company: here, and where only the office knows of the contract.
    assert.equal(await remove(one, "Company", made.company), "delete_restricted");
    const second = await family(one, "Kept");
    await ok(one);
    await ok(other);
    const [company] = (await query(other, "Company")).filter(({ name }) => name === "Kept");
    await create(other, "Contract", { company_id: company.id, title: "Kept" });
    await ok(other);
    assert.equal(await remove(one, "Company", second.company), true);
    await sync(one);
    assert.deepEqual(await office("Kept"), whole("Kept"));
    const listed = await rejected(one);
    assert.ok(listed.some(({ rejection }) => rejection.code === "delete_restricted"), JSON.stringify(listed));
    for (let [entry] = listed; entry; [entry] = await rejected(one)) {
      await one.page.evaluate((number) => window.app.discardRejected(number), entry.number);
    }
    await ok(one);
    assert.deepEqual([await here(one, "Kept"), await waiting(one)], [whole("Kept"), 0]);
    await one.context.close();
    await other.context.close();
  });
});
