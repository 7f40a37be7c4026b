// What is drawn: nothing here knows OnSync.

export const $ = (id) => document.getElementById(id);

const WORDS = { waiting: "not sent yet", in_flight: "being sent", conflicted: "conflict", rejected: "refused" };
const LABELS = {
  title: "Title", customer_id: "Customer", starts: "Begins", minutes: "Minutes", status: "Status", notes: "Notes",
};

/** An element with properties and children. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const time = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const shown = (value) => (value == null || value === "" ? "–" : String(value));

let offline = false;

function stateOf(node, state) {
  // Without a network nothing is on its way, whatever was begun before.
  const told = state === "in_flight" && offline ? "waiting" : state;
  node.className = "state";
  node.dataset.state = told ?? "clean";
  node.textContent = told ? WORDS[told] : "✓ synced";
}

/** A visit as a line of the list: when, what, how far; where and for whom below. */
function line(visit, { chosen, state }, choose) {
  const badge = element("span");
  stateOf(badge, state(visit));
  const word = element("span", { className: "word", textContent: visit.status ?? "" });
  word.dataset.status = visit.status;
  const about = element("small", {}, word, ` · ${visit["customer.name"] ?? "no customer"}`);
  const begins = visit.starts ? hour.format(new Date(visit.starts)) : "–";
  const button = element("button", { type: "button" },
    element("time", { textContent: begins, dateTime: visit.starts ?? "" }), element("strong", { textContent: visit.title }), badge, about);
  Object.assign(button.dataset, { key: visit.id, status: visit.status ?? "" });
  if (visit.id === chosen) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => choose(visit.id));
  return element("li", {}, button);
}

/** The list, by days. */
export function drawList(visits, given, choose) {
  const focused = document.activeElement?.closest?.("#list") && document.activeElement.dataset.key;
  const days = Map.groupBy(visits, (visit) => (visit.starts ? day.format(new Date(visit.starts)) : "No time yet"));
  $("list").replaceChildren(...[...days].map(([name, those]) =>
    element("li", {}, element("h3", { textContent: name }), element("ul", {}, ...those.map((visit) => line(visit, given, choose))))));
  $("empty").hidden = visits.length > 0;
  $("list").hidden = visits.length === 0;
  if (focused) document.querySelector(`#list button[data-key="${focused}"]`)?.focus();
}

/** A moment as the field for local times has it. */
function local(text) {
  if (!text) return "";
  const date = new Date(text);
  return new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** What the fields hold for a visit. */
const texts = (visit, customer) => ({
  title: visit.title ?? "",
  customer: customer?.name ?? "",
  starts: local(visit.starts),
  minutes: String(visit.minutes ?? ""),
  status: visit.status ?? "planned",
  notes: visit.notes ?? "",
});
/** What the fields held when they were drawn; what differs from it is the person's. */
let drawn = {};

export function drawForm(visit, customer, isNew) {
  $("detail").hidden = !visit;
  $("none").hidden = !!visit;
  if (!visit) {
    $("form").reset();
    drawn = {};
    return;
  }
  $("detail-title").textContent = isNew ? "New visit" : visit.title;
  $("delete").hidden = isNew;
  $("detail-state").hidden = isNew;
  $("conflict-note").hidden = true;
  drawForm.error("");
  drawn = texts(visit, customer);
  const fields = $("form").elements;
  for (const [name, text] of Object.entries(drawn)) fields[name].value = text;
  (isNew ? fields.title : $("detail-title")).focus({ preventScroll: true });
}
drawForm.state = (state) => stateOf($("detail-state"), state);
/** The visit has changed elsewhere: fields that nobody has touched follow it. */
drawForm.follow = (visit, customer) => {
  const fields = $("form").elements;
  for (const [name, text] of Object.entries(texts(visit, customer))) {
    if (fields[name].value !== drawn[name] || text === drawn[name]) continue;
    fields[name].value = drawn[name] = text;
  }
  $("detail-title").textContent = visit.title;
};
/** Says what is wrong, and with which field. */
drawForm.error = (message, name) => {
  const fields = $("form").elements;
  for (const field of [fields.title, fields.customer]) field.removeAttribute("aria-invalid");
  $("form-error").textContent = message;
  fields[name]?.setAttribute("aria-invalid", "true");
  fields[name]?.focus();
};

/** The values of fields that the person has changed. */
export function formValues(form) {
  const fields = form.elements;
  const values = {
    title: fields.title.value.trim(),
    customer: fields.customer.value.trim(),
    starts: fields.starts.value ? new Date(fields.starts.value) : null,
    minutes: fields.minutes.value === "" ? null : Number(fields.minutes.value),
    status: fields.status.value,
    notes: fields.notes.value,
  };
  return Object.fromEntries(Object.entries(values).filter(([name]) => fields[name].value !== drawn[name]));
}

export function drawStatus(status) {
  const kind = status.offline ? "offline" : status.running ? "busy" : status.lastError || status.conflicts || status.rejected ? "bad" : "good";
  $("status").dataset.kind = kind;
  // Times of today without their date.
  $("status-text").textContent = status.message.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (at) => {
    const moment = new Date(at);
    return (moment.toDateString() === new Date().toDateString() ? hour : time).format(moment);
  });
  offline = status.offline;
  $("offline").hidden = !offline;
  const progress = status.running?.progress;
  const first = !status.upToDateAsOf && !!status.running;
  $("first").hidden = !first;
  $("empty").textContent = first ? "They are on their way." : "No visits here.";
  if (first) {
    const pulled = progress?.phase === "pull" ? `: ${progress.entity}, ${progress.done.toLocaleString()} records` : "…";
    $("first-text").textContent = `Fetching your data for the first time${pulled}`;
    if (progress?.total) Object.assign($("first-bar"), { max: progress.total, value: progress.done });
    else $("first-bar").removeAttribute("value");
  }
}

/** Draws both sides and calls back with the resolution. `nameOf` says what a customer is called. */
export function drawConflict({ base, mine, theirs }, nameOf, decide) {
  const told = (name, value) => {
    if (name === "customer_id" && value != null) return nameOf(value);
    return name === "starts" && value ? time.format(new Date(value)) : shown(value);
  };
  const names = Object.keys(LABELS).filter(() => mine && theirs);
  const same = names.filter((name) => shown(mine[name]) === shown(theirs[name]));
  const rows = names.filter((name) => !same.includes(name)).map((name) => {
    const row = element("tr", {}, element("th", { scope: "row", textContent: LABELS[name] }));
    // What only they changed is theirs to begin with.
    const start = base && shown(base[name]) === shown(mine[name]) ? "theirs" : "mine";
    for (const [side, values] of [["mine", mine], ["theirs", theirs]]) {
      const changed = base && shown(base[name]) !== shown(values[name]);
      const radio = element("input", { type: "radio", name: `choice-${name}`, value: side, checked: side === start });
      const hint = !base ? "" : changed ? `was: ${told(name, base[name])}` : "unchanged";
      const label = element("label", {}, radio, element("span", { textContent: told(name, values[name]) }), element("small", { textContent: hint }));
      label.dataset.side = side === "mine" ? "Mine" : "Theirs";
      row.append(element("td", {}, label));
    }
    return row;
  });
  if (!names.length) {
    const text = mine ? "You changed it; it was deleted on the other side." : "You deleted it; the other side changed it.";
    rows.push(element("tr", {}, element("td", { colSpan: 3, textContent: text })));
  }
  $("conflict-title").textContent = `Two changes met: ${(mine ?? theirs).title}`;
  $("conflict-rows").replaceChildren(...rows);
  $("conflict-same").textContent = same.length ? `The same on both sides: ${same.map((name) => LABELS[name]).join(", ")}.` : "";
  $("merge").hidden = !names.length;
  $("mine").onclick = () => decide("keepMine");
  $("theirs").onclick = () => decide("takeTheirs");
  $("merge").onclick = () => {
    const merge = {};
    for (const radio of $("conflict-rows").querySelectorAll("input:checked")) {
      const name = radio.name.slice("choice-".length);
      merge[name] = (radio.value === "mine" ? mine : theirs)[name];
    }
    decide({ merge });
  };
}

let hiding;
export function toast(text) {
  $("toast").textContent = text;
  $("toast").classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => $("toast").classList.remove("shown"), 3000);
}
