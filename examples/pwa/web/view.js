// What is drawn: nothing here knows OnSync.

export const $ = (id) => document.getElementById(id);

const WORDS = { waiting: "not sent yet", in_flight: "being sent", conflicted: "conflict", rejected: "refused" };
const LABELS = {
  title: "Title", customer_id: "Customer number", starts: "Begins", minutes: "Minutes", status: "Status", notes: "Notes",
};

/** An element with properties and children. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const time = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const shown = (value) => (value == null || value === "" ? "–" : String(value));
/** A value of an attribute, for people. */
const told = (name, value) => (name === "starts" && value ? time.format(new Date(value)) : shown(value));
const moment = (text) => (text ? time.format(new Date(text)) : "no time");

let offline = false;

function stateOf(node, state) {
  // Without a network nothing is on its way, whatever was begun before.
  const told = state === "in_flight" && offline ? "waiting" : state;
  node.className = "state";
  node.dataset.state = told ?? "clean";
  node.textContent = told ? WORDS[told] : "synced";
}

export function drawList(visits, { chosen, state }, choose) {
  const focused = document.activeElement?.dataset?.key;
  $("list").replaceChildren(...visits.map((visit) => {
    const badge = element("span");
    stateOf(badge, state(visit));
    const button = element("button", { type: "button" },
      element("strong", { textContent: visit.title }), badge,
      element("small", { textContent: `${moment(visit.starts)} · ${visit["customer.name"] ?? "no customer"}` }));
    button.dataset.key = visit.id;
    if (visit.id === chosen) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => choose(visit.id));
    return element("li", {}, button);
  }));
  $("empty").hidden = visits.length > 0;
  if (focused) document.querySelector(`#list button[data-key="${focused}"]`)?.focus();
}

/** A moment as the field for local times has it. */
function local(text) {
  if (!text) return "";
  const date = new Date(text);
  return new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function drawForm(visit, customer, isNew) {
  $("detail").hidden = !visit;
  $("none").hidden = !!visit;
  if (!visit) return;
  const fields = $("form").elements;
  $("detail-title").textContent = isNew ? "New visit" : "Visit";
  $("delete").hidden = isNew;
  $("detail-state").hidden = isNew;
  $("conflict-note").hidden = true;
  $("form-error").textContent = "";
  fields.title.value = visit.title ?? "";
  fields.customer.value = customer?.name ?? "";
  fields.starts.value = local(visit.starts);
  fields.minutes.value = visit.minutes ?? "";
  fields.status.value = visit.status ?? "planned";
  fields.notes.value = visit.notes ?? "";
  (isNew ? fields.title : $("detail-title")).focus({ preventScroll: true });
}
drawForm.state = (state) => stateOf($("detail-state"), state);

export function formValues(form) {
  const { title, customer, starts, minutes, status, notes } = form.elements;
  return {
    title: title.value.trim(),
    customer: customer.value.trim(),
    starts: starts.value ? new Date(starts.value) : null,
    minutes: minutes.value === "" ? null : Number(minutes.value),
    status: status.value,
    notes: notes.value,
  };
}

export function drawStatus(status) {
  const kind = status.offline ? "offline" : status.running ? "busy" : status.lastError || status.conflicts || status.rejected ? "bad" : "good";
  $("status").dataset.kind = kind;
  const at = status.upToDateAsOf;
  $("status-text").textContent = at ? status.message.replace(at, hour.format(new Date(at))) : status.message;
  offline = status.offline;
  $("offline").hidden = !offline;
  const progress = status.running?.progress;
  const first = !status.upToDateAsOf && progress?.phase === "pull";
  $("first").hidden = !first;
  if (first) {
    $("first-text").textContent = `Fetching your data for the first time: ${progress.entity}, ${progress.done.toLocaleString()} records`;
    if (progress.total) Object.assign($("first-bar"), { max: progress.total, value: progress.done });
    else $("first-bar").removeAttribute("value");
  }
}

/** Draws both sides and calls back with the resolution. */
export function drawConflict({ base, mine, theirs }, decide) {
  const names = Object.keys(LABELS).filter((name) => mine && theirs);
  const rows = names.map((name) => {
    const same = shown(mine[name]) === shown(theirs[name]);
    const row = element("tr", { className: same ? "same" : "" }, element("th", { scope: "row", textContent: LABELS[name] }));
    // What only they changed is theirs to begin with.
    const start = base && shown(base[name]) === shown(mine[name]) ? "theirs" : "mine";
    for (const [side, values] of [["mine", mine], ["theirs", theirs]]) {
      if (same) {
        row.append(element("td", { textContent: side === "mine" ? told(name, values[name]) : "the same" }));
        continue;
      }
      const changed = base && shown(base[name]) !== shown(values[name]);
      const radio = element("input", { type: "radio", name: `choice-${name}`, value: side, checked: side === start });
      row.append(element("td", {}, element("label", {}, radio, `${told(name, values[name])}${changed ? "" : " (unchanged)"}`)));
    }
    return row;
  });
  if (!names.length) {
    const text = mine ? "It was deleted on the other side." : "You deleted it; the other side changed it.";
    rows.push(element("tr", {}, element("td", { colSpan: 3, textContent: text })));
  }
  $("conflict-rows").replaceChildren(...rows);
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
