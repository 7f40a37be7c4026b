// Compiled by the tests against the declarations of the npm package: what is written here has to be right, and what stands below
// `@ts-expect-error` has to be refused.
import init, { OnSync, type Conflict, type LiveQuery, type OnSyncError, type Status, type Unsent } from "onsync";
import { config, type Context, type ContextParameters, type Entities, type EntityName, type Visit } from "./sync";

async function everything(): Promise<void> {
  await init();
  await init({ module_or_path: "/onsync_bg.wasm" });
  const app: OnSync<Entities, Context> = await OnSync.open<Entities, Context>(config, {
    credentials: async (refused) => (refused ? null : "token"),
    onSync: async (run, context, parameters) => {
      await run.sync(["Visit"], "push");
      await run.onSync(context, parameters);
    },
    resolvers: { ours: (conflict) => (conflict.mine ? { merge: conflict.mine } : "ask") },
    log: "info",
  });

  // Records are typed.
  const key = await app.create("Visit", { title: "Pump 7", starts: new Date(), minutes: 30n, price: 12.5 });
  await app.update("Visit", key, { title: null, photo: new Uint8Array(2) });
  await app.updateMany("Visit", [[key, { minutes: 45 }]]);
  const many: number = await app.deleteMany("Visit", [key]);
  const visit: Visit | null = await app.get("Visit", key);
  const id: string | undefined = visit?.id;
  // @ts-expect-error an attribute that is not there
  await app.create("Visit", { tittle: "Pump 7" });
  // @ts-expect-error a value of another type
  await app.create("Visit", { done: "yes" });
  // @ts-expect-error an entity that is not there
  await app.create("Visits", {});
  // @ts-expect-error a key is never null
  const none: null = (await app.get("Visit", key))!.id;

  // Queries, live or not.
  const found = await app.query({ entity: "Visit", where: { done: { notEqual: true }, title: { contains: "P" } }, order: ["starts", "-title"], limit: 5, join: "customer" });
  const title: string | null | undefined = found[0]?.title;
  const name: unknown = found[0]?.["customer.name"];
  const live = app.watch("Visit");
  const leave: () => void = live.subscribe(() => {
    const titles: (string | null)[] | undefined = live.snapshot()?.map((visit) => visit.title);
    const failed: OnSyncError | null = live.error();
    void [titles, failed?.code, failed?.kind];
  });
  leave();

  // Transactions.
  const made = await app.transaction(async (tx) => {
    await tx.atomicGroup();
    await tx.resolveConflict("Visit", key, "takeTheirs");
    return tx.create("Visit", { title: "Two" });
  });

  // Syncing, users, status.
  const handle = app.onSync("send reports", { week: 7 } satisfies { [P in ContextParameters["send reports"]]: number });
  const applied: number = (await handle.outcome()).applied;
  app.onSync();
  // @ts-expect-error a context that is not there
  app.onSync("Reports");
  app.hint("Login");
  app.resumed();
  await app.login("ada", (refused) => (refused ? null : "token"));
  const unsent: Unsent = await app.logout("keep");
  // @ts-expect-error a policy has to be chosen
  await app.logout();
  const who: string | null = app.user();
  app.subscribeStatus((status: Status) => void [status.message, status.messages[0]?.key, status.stalledSince, status.fetchedAt["Visit"]]);
  app.listen((event) => {
    if (event.event === "OnSyncError") void event.errorCode;
    // @ts-expect-error only errors have a code
    if (event.event === "OnSyncStart") void event.errorCode;
  });

  // Lists.
  const conflicts: LiveQuery<Conflict> = app.watchConflicts();
  await app.resolveConflict("Visit", key, { merge: { title: "Both" } });
  // @ts-expect-error a resolution that is not there
  await app.resolveConflict("Visit", key, "mine");
  const [refused] = await app.rejected();
  if (refused) {
    const what: ("reverted" | "removed" | "detached")[] = (await app.discardRejected(refused.number)).map((one) => one.what);
    void [what, await app.showDiscard(refused.number), await app.retryRejected(refused.number)];
  }
  const [entry] = await app.bin({ entity: "Visit", reason: "gone", since: "2026-01-01T00:00:00Z", limit: 3 });
  if (entry) await app.restore(entry.id);
  const emptied: number = await app.emptyBin();
  const entity: EntityName = "work-order";
  void [many, id, none, title, name, made, applied, who, unsent, conflicts.snapshot(), emptied, entity, app.opened().warnings];
  app.close();
}

// Without generated types everything is taken.
async function untyped(): Promise<void> {
  const app = await OnSync.open({ transport: { url: "/" } });
  await app.create("Anything", { goes: 1 });
  app.onSync("Any", { thing: "x" });
}

void [everything, untyped];
