// The page of a meter: records readings, sends them, and sees each leave once the office has confirmed it.
import init, { OnSync } from "/module/readings.js";

await init();
const shared = await (await fetch("/config.json")).json();
// `append-only` is named in the configuration, and this module knows it.
const app = await OnSync.open({
  ...shared,
  transport: { kind: "http", url: location.origin },
  store: { kind: "indexeddb", path: "meter" },
});

const [form, list, status] = ["form", "ul", "[role=status]"].map((name) => document.querySelector(name));
const held = app.watch({ entity: "Reading", order: "id" });
const draw = () => {
  list.replaceChildren(...(held.snapshot() ?? []).map(({ value }) => Object.assign(document.createElement("li"), { textContent: value })));
};
held.subscribe(draw);
draw();

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const value = form.elements.value.valueAsNumber;
  form.reset();
  await app.create("Reading", { id: Date.now(), meter: "cellar", value });
});
document.querySelector("#send").addEventListener("click", async () => {
  try {
    const { sent } = await app.onSync("Online").outcome();
    status.textContent = `${sent} sent`;
  } catch (error) {
    status.textContent = `${error.code}: ${error.message}`;
  }
});
// For the console.
Object.assign(globalThis, { app, OnSync, shared });
document.documentElement.dataset.ready = "";
