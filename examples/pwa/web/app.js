// The app: opens OnSync, follows the list of visits and the status, and does what the buttons say.
import init, { OnSync } from "/onsync/onsync.js";
import { $, drawConflict, drawForm, drawList, drawStatus, formValues, toast } from "./view.js";

const PAGE = 50;
let app;
let live;
let leave;
let limit = PAGE;
let chosen = null;
let states = new Map();
let conflicts = [];

/** A record's place in the map of states. */
const name = (entity, key) => `${entity}/${key}`;

async function start() {
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js");
  await init();
  const config = await (await fetch("/config.json")).json();
  config.transport = { kind: "http", url: location.origin };
  app = await OnSync.open(config);
  // For curious people and for tests.
  window.app = app;
  app.subscribeStatus(onStatus);
  app.listen((event) => {
    if (event.event === "ConflictDetected") toast("Somebody else changed a visit you changed too.");
  });
  watch();
  document.documentElement.dataset.ready = "true";
}

function watch() {
  leave?.();
  const where = {};
  if ($("search").value) where.title = { contains: $("search").value };
  if ($("filter").value) where.status = $("filter").value;
  live = app.watch({ entity: "Visit", join: "customer", where, order: "starts", limit });
  leave = live.subscribe(onVisits);
}

async function onVisits() {
  await readStates();
  draw();
  await follow();
}

/** Where each changed record stands; the others are clean. */
async function readStates() {
  const [waiting, open] = await Promise.all([app.waiting(), app.conflicts("Visit")]);
  states = new Map(waiting.map((one) => [name(one.entity, one.key), one.state]));
  for (const conflict of open) states.set(name("Visit", conflict.key), "conflicted");
  conflicts = open;
}

function draw() {
  const visits = live?.snapshot() ?? [];
  drawList(visits, { chosen, state: (visit) => states.get(name("Visit", visit.id)) }, select);
  $("more").hidden = visits.length < limit;
  const failed = live?.error();
  $("failure").hidden = !failed;
  if (failed) $("failure").textContent = failed.message;
  if (chosen && chosen !== "new") {
    const state = states.get(name("Visit", chosen));
    drawForm.state(state);
    $("conflict-note").hidden = !conflicts.some((conflict) => conflict.key === chosen);
  }
}

/** The visit that is open, as it is now; gone where somebody deleted it. */
async function follow() {
  const key = chosen;
  if (!key || key === "new") return;
  const visit = await app.get("Visit", key);
  const customer = visit && (await customerNamed(visit.customer_id));
  if (key !== chosen) return;
  if (visit) return drawForm.follow(visit, customer);
  if (conflicts.some((conflict) => conflict.key === key)) return;
  toast("This visit was deleted.");
  close();
}

const customerNamed = async (id) => (id == null ? null : app.get("Customer", id));

let counted = "";
async function onStatus(status) {
  drawStatus(status);
  // Unsent changes in storage that the browser may delete: worth a word while they cannot be sent.
  const risk = status.offline && status.waiting > 0 && app && (await app.storage()).atRisk;
  $("keep").hidden = !risk;
  const now = [status.waiting, status.conflicts, status.rejected, !!status.running].join();
  if (now !== counted && app) {
    counted = now;
    await readStates();
    draw();
  }
}

/** Whether the person gives up what was typed and not saved, if anything was. */
const mayLeave = () => !chosen || !Object.keys(formValues($("form"))).length || confirm("Leave this visit without saving?");

/** Shows a visit that was chosen in the list. */
async function select(key) {
  if (key !== chosen && mayLeave()) await choose(key);
}

/** Shows a visit; "new" for one that is not made yet. */
async function choose(key) {
  chosen = key;
  const visit = key === "new" ? { status: "planned", minutes: 60 } : key && (await app.get("Visit", key));
  if (!visit) return close();
  drawForm(visit, await customerNamed(visit.customer_id), key === "new");
  document.body.classList.add("open");
  draw();
}

function close() {
  const before = chosen;
  chosen = null;
  drawForm(null);
  document.body.classList.remove("open");
  draw();
  if (before) document.querySelector(`#list button[data-key="${before}"]`)?.focus();
}

/** The customer whose name stands in the field. */
async function customerOf(text) {
  if (!text) return null;
  const found = await app.query({ entity: "Customer", where: { name: text }, limit: 1 });
  if (!found.length) throw Object.assign(new Error(`There is no customer “${text}”. Choose one of the list.`), { field: "customer" });
  return found[0].id;
}

async function save(event) {
  event.preventDefault();
  drawForm.error("");
  try {
    const { customer, ...values } = formValues($("form"));
    if (!$("form").elements.title.value.trim()) throw Object.assign(new Error("A visit needs a title."), { field: "title" });
    if (customer !== undefined) values.customer_id = await customerOf(customer);
    // Only what the person changed: what others changed meanwhile stays theirs.
    if (chosen === "new") chosen = await app.create("Visit", { status: "planned", minutes: 60, ...values });
    else if (Object.keys(values).length) await app.update("Visit", chosen, values);
    toast("Saved on this device.");
    await choose(chosen);
  } catch (error) {
    drawForm.error(error.message, error.field);
  }
}

async function remove() {
  if (!confirm("Delete this visit?")) return;
  await app.delete("Visit", chosen);
  toast("Deleted.");
  close();
}

async function compare() {
  const conflict = conflicts.find((one) => one.key === chosen);
  if (!conflict) return;
  const ids = [conflict.base, conflict.mine, conflict.theirs].map((side) => side?.customer_id).filter((id) => id != null);
  const customers = new Map(await Promise.all(ids.map(async (id) => [id, (await customerNamed(id))?.name])));
  drawConflict(conflict, (id) => customers.get(id) ?? `customer ${id}`, async (resolution) => {
    await app.resolveConflict("Visit", conflict.key, resolution);
    $("conflict").close();
    toast("Decided.");
    await readStates();
    await choose(chosen);
  });
  $("conflict").showModal();
}

let typing;
$("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { limit = PAGE; watch(); }, 150);
});
$("filter").addEventListener("change", () => { limit = PAGE; watch(); });
$("more").addEventListener("click", () => { limit += PAGE; watch(); });
$("new").addEventListener("click", () => select("new"));
$("back").addEventListener("click", () => mayLeave() && close());
$("form").addEventListener("submit", save);
$("delete").addEventListener("click", remove);
$("compare").addEventListener("click", compare);
$("keep").addEventListener("click", async () => {
  toast((await app.persistStorage()) ? "The browser keeps them." : "The browser does not promise it. Installing the app helps.");
});
$("sync").addEventListener("click", () => {
  app.onSync("Everything").outcome().catch((error) => toast(error.message));
});
$("form").elements.customer.addEventListener("input", async (event) => {
  const text = event.target.value;
  const found = text.length < 2 ? [] : await app.query({
    entity: "Customer", where: { name: { contains: text } }, order: "name", limit: 8,
  });
  $("customers").replaceChildren(...found.map((customer) => new Option(customer.city, customer.name)));
});

start().catch((error) => {
  $("failure").hidden = false;
  $("failure").textContent = `The app could not be opened: ${error.message}`;
  $("status-text").textContent = "Not opened";
});
