/** A value of a record: see the table of types in the documentation. Integers beyond 2⁵³ are bigint, decimals, dates, times and uuids text, bytes Uint8Array. */
export type Value = null | boolean | number | bigint | string | Uint8Array | { [name: string]: unknown } | unknown[];

/** The values of a record by attribute. `onsync generate typescript` writes one interface per entity. */
export type Fields = { [attribute: string]: any };

/** What an entity is called, and what its records hold. Extend it with the generated types: `OnSync<Entities>`. */
export type AnyEntities = { [entity: string]: Fields };

/** A record's key: its value, or the values of a key of several attributes in key order. */
export type Key = string | number | bigint | boolean | Uint8Array | Array<string | number | bigint | boolean | Uint8Array>;

/** The values that `onSync` gets by name. */
export type Parameters = { [name: string]: string | number | bigint | boolean };

/** The configuration, as `onsync.toml` holds it: `{ transport: { url }, entities: { … }, … }`. The store is IndexedDB unless it says otherwise. */
export type Config = { [table: string]: any };

/** A condition: a value it equals, or comparisons that all hold. */
export type Condition<V> =
  | V
  | { equal?: V; notEqual?: V; less?: V; atMost?: V; greater?: V; atLeast?: V; contains?: string };

export interface Query<E extends AnyEntities = AnyEntities, N extends keyof E & string = keyof E & string> {
  entity: N;
  /** All of them hold. A joined parent's attributes are `"relation.attribute"`. */
  where?: { [A in keyof E[N]]?: Condition<E[N][A]> } & { [attribute: string]: any };
  /** Attributes to sort by, `"-name"` downwards; ties by key. */
  order?: string | string[];
  limit?: number;
  offset?: number;
  /** A relation whose parent comes along as `"relation.attribute"`. */
  join?: string;
  /** Only these records. */
  keys?: Key[];
}

/** What OnSync throws. `code` is one of the reference of error codes. */
export interface OnSyncError extends Error {
  code: string;
  kind:
    | "offline" | "transient" | "unauthorised" | "conflicts_pending" | "unsupported" | "rejected" | "corrupt" | "busy" | "fatal";
}

export interface Summary {
  applied: number;
  rejected: number;
  conflicts: number;
  discarded: number;
  received: number;
  removed: number;
  requests: number;
  bytesReceived: number;
  sent: number;
  budgetUsed: boolean;
}

export interface NetworkStatus {
  online: boolean;
  kind: "ethernet" | "wifi" | "cellular" | "unknown";
  metered: boolean | null;
}

export interface Status {
  /** The server cannot be reached, as far as is known. */
  offline: boolean;
  /** The most important thing in one sentence, then what waits. */
  message: string;
  network: NetworkStatus;
  serverUnreachable: boolean;
  running: null | {
    context: string;
    progress: null | {
      entity: string;
      phase: "push" | "pull" | "catch_up";
      done: number;
      total: number | null;
      bytes: number;
      percent: number | null;
    };
  };
  queued: number;
  upToDateAsOf: string | null;
  /** Records with changes the server does not have. */
  waiting: number;
  rejected: number;
  conflicts: number;
  unknown: number;
  needsCredentials: boolean;
  /** `nextTry` in milliseconds after `at`. */
  lastError: null | { context: string; code: string; message: string; at: string; nextTry: number | null };
}

export type SyncEvent = { at: string } & (
  | { event: "OnSyncStart"; context: string }
  | {
      event: "OnSyncProgress";
      context: string;
      entity: string;
      phase: "push" | "pull" | "catch_up";
      done: number;
      total: number | null;
      bytes: number;
    }
  | { event: "OnSyncComplete"; context: string; summary: Summary }
  | { event: "OnSyncError"; context: string; errorCode: string; errorMessage: string; nextTry: number | null }
  | ({ event: "NetworkStatusChanged" } & NetworkStatus)
  | { event: "ConflictDetected"; entity: string; key: string }
);

export type RecordState = "waiting" | "in_flight" | "conflicted" | "rejected";

export interface Conflict {
  id: string;
  entity: string;
  key: Key;
  kind: "update_update" | "update_delete" | "delete_update" | "create_create";
  /** When it was noticed, for display. */
  at: string;
  /** What both started from, what this device has, what the server has; null where there is no record. */
  base: Fields | null;
  mine: Fields | null;
  theirs: Fields | null;
  /** The same side by side, in the order of the entity. */
  attributes: { name: string; base: any; mine: any; theirs: any; changedHere: boolean; changedThere: boolean }[];
}

export type Resolution = "keepMine" | "takeTheirs" | "ask" | { merge: Fields };

export interface RejectedEntry {
  number: number;
  entity: string;
  key: Key;
  kind: string;
  values: Fields;
  rejection: { code: string; message: string };
  /** Nobody knows whether the server applied it. */
  mayHaveBeenApplied: boolean;
  /** The record was edited since: the edit takes this change's place. */
  fixed: boolean;
  /** Records whose changes wait because of this one. */
  dependents: { entity: string; key: Key; relation: string }[];
}

export interface BinEntry {
  id: string;
  at: string;
  entity: string;
  key: Key;
  reason: string;
  values: Fields;
}

export interface Options {
  /** The bearer token of the user who is signed in; null to speak without. `refused`: the server has just refused the last one. */
  credentials?: (refused: boolean) => string | null | Promise<string | null>;
  /** The app's own handler; it replaces the default run. */
  onSync?: (run: SyncRun, context: string, parameters: Parameters) => unknown | Promise<unknown>;
  /** Resolvers by the names that the configuration uses. Pure: the same conflict, the same answer. */
  resolvers?: { [name: string]: (conflict: Conflict) => Resolution };
  /** What goes to the console. Default `"warn"`. */
  log?: "error" | "warn" | "info" | "debug" | "trace";
}

/** Ends a subscription. */
export type Unsubscribe = () => void;

/** A query whose result is given again whenever it has changed. Fits `useSyncExternalStore(live.subscribe, live.snapshot)` when bound. */
export class LiveQuery<R = Fields> {
  private constructor();
  subscribe(changed: () => void): Unsubscribe;
  /** The last result: the same array until it changes; undefined before the first. */
  snapshot(): R[] | undefined;
  /** Why there is no newer result, or null. */
  error(): OnSyncError | null;
  free(): void;
}

/** A run that was asked for. */
export class SyncHandle {
  private constructor();
  /** Ends when the run has ended well; throws an OnSyncError when it has not. */
  outcome(): Promise<Summary>;
  free(): void;
}

/** The run that an app's own handler drives. */
export class SyncRun {
  private constructor();
  /** Syncs these entities, all of them if none are named. */
  sync(entities?: string[] | null, direction?: "both" | "push" | "pull"): Promise<Summary>;
  onSync(context: string, parameters?: Parameters): Promise<void>;
}

interface Records<E extends AnyEntities> {
  create<N extends keyof E & string>(entity: N, values: Partial<E[N]>): Promise<Key>;
  update<N extends keyof E & string>(entity: N, key: Key, values: Partial<E[N]>): Promise<void>;
  createOrUpdate<N extends keyof E & string>(entity: N, values: Partial<E[N]>): Promise<Key>;
  /** False if there is none. */
  delete<N extends keyof E & string>(entity: N, key: Key): Promise<boolean>;
  get<N extends keyof E & string>(entity: N, key: Key): Promise<E[N] | null>;
  query<N extends keyof E & string>(query: N | Query<E, N>): Promise<E[N][]>;
}

/** What `OnSync.transaction` lends to a function. */
export class Transaction<E extends AnyEntities = AnyEntities> {
  private constructor();
  /** What this transaction writes succeeds or fails together on the server too. */
  atomicGroup(): Promise<void>;
}
export interface Transaction<E extends AnyEntities = AnyEntities> extends Records<E> {}

/** An open app. */
export class OnSync<E extends AnyEntities = AnyEntities> {
  private constructor();
  static open<E extends AnyEntities = AnyEntities>(config: Config, options?: Options): Promise<OnSync<E>>;
  /** What was found when the store was opened. */
  opened(): { created: boolean; extended: string[]; warnings: string[] };
  createMany<N extends keyof E & string>(entity: N, many: Partial<E[N]>[]): Promise<Key[]>;
  createOrUpdateMany<N extends keyof E & string>(entity: N, many: Partial<E[N]>[]): Promise<Key[]>;
  watch<N extends keyof E & string>(query: N | Query<E, N>): LiveQuery<E[N]>;
  /**
   * Reads and writes in one transaction. It is undone if the function throws. Write through `tx` only: a write through the app within it would
   * wait for it.
   */
  transaction<T>(work: (tx: Transaction<E>) => T | Promise<T>): Promise<T>;
  /** Asks for a sync and returns at once. `""` covers every entity. */
  onSync(context?: string, parameters?: Parameters): SyncHandle;
  listen(listener: (event: SyncEvent) => void): Unsubscribe;
  status(): Status;
  /** Called with the status at once and after each change. */
  subscribeStatus(changed: (status: Status) => void): Unsubscribe;
  /** Null for a record without unsent changes. */
  recordState<N extends keyof E & string>(entity: N, key: Key): Promise<RecordState | null>;
  waiting(limit?: number): Promise<{ entity: string; key: Key; state: RecordState }[]>;
  /** Open conflicts, of one entity if it is named. */
  conflicts<N extends keyof E & string>(entity?: N, limit?: number): Promise<Conflict[]>;
  /** Ends an open conflict and gives the record's key. What was resolved is checked again when it is sent. */
  resolveConflict<N extends keyof E & string>(entity: N, key: Key, resolution: Resolution): Promise<Key>;
  rejected(limit?: number): Promise<RejectedEntry[]>;
  /** False if it was sent or fixed already. */
  retryRejected(number: number): Promise<boolean>;
  /** Gives the change up with what depends on it, and says how many records that were. */
  discardRejected(number: number): Promise<number>;
  bin(limit?: number): Promise<BinEntry[]>;
  /** Writes values of the bin into their record again. */
  restore(id: string): Promise<Key>;
  /** The server has something new: syncs a context soon. */
  hint(context: string): void;
  /** Syncing that waited for new credentials goes on. */
  credentialsChanged(): void;
  close(): void;
  free(): void;
}
export interface OnSync<E extends AnyEntities = AnyEntities> extends Records<E> {}
