// A page that leaves syncing to a worker, and reads the same store itself.
import init, { OnSync } from "onsync";
import { config, type Context, type Entities } from "./sync";

const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
const told = new Promise<unknown>((resolve, reject) => {
  worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
  worker.onerror = (event) => reject(new Error(event.message));
});

const store = { path: "shared" };
await init();
const app = await OnSync.open<Entities, Context>({ ...config, store });
const live = app.watch({ entity: "Task", order: "title" });
const titles: (string | null)[][] = [];
live.subscribe(() => titles.push((live.snapshot() ?? []).map((task) => task.title)));

Object.assign(window, {
  /** Lets the worker write and sync, and gives what it saw. */
  work: async () => {
    worker.postMessage({ ...config, store });
    return told;
  },
  titles: () => titles.at(-1),
});
document.documentElement.dataset.ready = "true";
