// The engine in a worker: it opens the store, writes, syncs, and tells what it has.
import init, { OnSync, type OnSyncError } from "onsync";
import type { Context, Entities } from "./sync";

addEventListener("message", async ({ data: config }) => {
  try {
    await init();
    const app = await OnSync.open<Entities, Context>(config);
    await app.create("Task", { title: "From the worker", done: false });
    const summary = await app.onSync("Online").outcome();
    app.resumed();
    const tasks = await app.query({ entity: "Task", order: "title" });
    let refused = "";
    try {
      await app.update("Task", "no uuid", {});
    } catch (error) {
      refused = (error as OnSyncError).code;
    }
    postMessage({ applied: summary.applied, titles: tasks.map((task) => task.title), refused });
  } catch (error) {
    postMessage({ error: String(error) });
  }
});
