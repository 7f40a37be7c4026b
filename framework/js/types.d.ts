/** A value of a record: see the table of types in the documentation. Integers beyond 2⁵³ are bigint, decimals, dates, times and uuids text, bytes Uint8Array. */
export type Value = null | boolean | number | bigint | string | Uint8Array | { [name: string]: unknown } | unknown[];

/** The values of a record by attribute. `onsync generate typescript` writes one type per entity. */
export type Fields = { [attribute: string]: any };

/** What an entity is called, and what its records hold. The generated types take its place: `OnSync<Entities, Context>`. */
export type AnyEntities = { [entity: string]: Fields };

/** What is handed in to be written: for attributes that are text on reading, a `Date` is taken where they are timestamps, a number where they are decimals. */
export type Writes<R> = { [A in keyof R]?: string extends R[A] ? R[A] | Date | number : R[A] };

/** What a query gives: the record, and what was joined to it as `"relation.attribute"`. */
export type Found<R> = R & { [joined: `${string}.${string}`]: any };

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
  /** Why the app is offline, where known. `"captive_portal"`: something else answers in the server's place. */
  reason: "no_network" | "server_unreachable" | "captive_portal" | null;
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
  /** Since when something waits without a break, every run has failed, syncing has stood still; null if it is not so. */
  waitingSince: string | null;
  failingSince: string | null;
  stalledSince: string | null;
  /** When each entity was last fetched whole, and a run of each context last ended well. */
  fetchedAt: { [entity: string]: string };
  completedAt: { [context: string]: string };
  /** Runs that wait for a network which costs nothing by volume. */
  heldByMetered: number;
  /** Nobody is signed in, in an app whose users sign in. */
  signedOut: boolean;
  /** What `message` is made of, with keys for words of your own. */
  messages: { key: string; text: string }[];
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
  /** A change of the record is on its way, and its outcome may end the conflict: it can be resolved after the next sync. */
  inFlight: boolean;
  /** What both started from, what this device has, what the server has; null where there is no record. */
  base: Fields | null;
  mine: Fields | null;
  theirs: Fields | null;
  /** The same side by side, in the order of the entity. */
  attributes: { name: string; base: any; mine: any; theirs: any; changedHere: boolean; changedThere: boolean }[];
}

/** What a resolver decides. `merge` names the values of the record's attributes that differ. */
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

/** Which entries of the bin; a number is a limit. */
export type BinFilter = number | {
  entity?: string;
  reason?: "overwritten" | "discarded" | "gone" | "left_scope" | "read_only";
  /** Put there at this time or later. */
  since?: string;
  limit?: number;
};

/** What becomes of a record whose refused change is given up. */
export interface DiscardedRecord {
  entity: string;
  key: Key;
  /** As the server has it; gone, because it was made here; or only its reference to a record that leaves taken back. */
  what: "reverted" | "removed" | "detached";
}

/** What had not reached the server when a user signed out. */
export interface Unsent {
  waiting: number;
  rejected: number;
  conflicts: number;
}

/** What happens to unsent changes when a user signs out: they are sent first, kept for the next time, or given up. */
export type LogoutPolicy = "send" | "keep" | "discard";

/** Gives the bearer token of the user who is signed in; null to speak without. `refused`: the server has just refused the last one. */
export type CredentialsProvider = (refused: boolean) => string | null | Promise<string | null>;

export interface Options {
  credentials?: CredentialsProvider;
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
  create<N extends keyof E & string>(entity: N, values: Writes<E[N]>): Promise<Key>;
  update<N extends keyof E & string>(entity: N, key: Key, values: Writes<E[N]>): Promise<void>;
  createOrUpdate<N extends keyof E & string>(entity: N, values: Writes<E[N]>): Promise<Key>;
  /** False if there is none. */
  delete<N extends keyof E & string>(entity: N, key: Key): Promise<boolean>;
  get<N extends keyof E & string>(entity: N, key: Key): Promise<E[N] | null>;
  query<N extends keyof E & string>(query: N | Query<E, N>): Promise<Found<E[N]>[]>;
  /** Ends an open conflict and gives the record's key. What was resolved is checked again when it is sent. */
  resolveConflict<N extends keyof E & string>(entity: N, key: Key, resolution: Resolution): Promise<Key>;
}

/** What `OnSync.transaction` lends to a function. */
export class Transaction<E extends AnyEntities = AnyEntities> {
  private constructor();
  /** What this transaction writes succeeds or fails together on the server too. */
  atomicGroup(): Promise<void>;
}
export interface Transaction<E extends AnyEntities = AnyEntities> extends Records<E> {}

/** An open app. `C` are the names of its contexts. */
export class OnSync<E extends AnyEntities = AnyEntities, C extends string = string> {
  private constructor();
  static open<E extends AnyEntities = AnyEntities, C extends string = string>(config: Config, options?: Options): Promise<OnSync<E, C>>;
  /** What was found when the store was opened. */
  opened(): { created: boolean; extended: string[]; warnings: string[] };
  createMany<N extends keyof E & string>(entity: N, many: Writes<E[N]>[]): Promise<Key[]>;
  /** Changes many records in one transaction: pairs of a key and values. */
  updateMany<N extends keyof E & string>(entity: N, many: [Key, Writes<E[N]>][]): Promise<void>;
  /** Deletes many records in one transaction, and says how many there were. */
  deleteMany<N extends keyof E & string>(entity: N, keys: Key[]): Promise<number>;
  createOrUpdateMany<N extends keyof E & string>(entity: N, many: Writes<E[N]>[]): Promise<Key[]>;
  watch<N extends keyof E & string>(query: N | Query<E, N>): LiveQuery<Found<E[N]>>;
  /**
   * Reads and writes in one transaction. It is undone if the function throws. Write through `tx` only: a write through the app within it would
   * wait for it.
   */
  transaction<T>(work: (tx: Transaction<E>) => T | Promise<T>): Promise<T>;
  /** Asks for a sync and returns at once. `""` covers every entity. */
  onSync(context?: C, parameters?: Parameters): SyncHandle;
  listen(listener: (event: SyncEvent) => void): Unsubscribe;
  status(): Status;
  /** Called with the status at once and after each change. */
  subscribeStatus(changed: (status: Status) => void): Unsubscribe;
  /** Null for a record without unsent changes. */
  recordState<N extends keyof E & string>(entity: N, key: Key): Promise<RecordState | null>;
  waiting(limit?: number): Promise<{ entity: string; key: Key; state: RecordState }[]>;
  /** Open conflicts, of one entity if it is named. */
  conflicts<N extends keyof E & string>(entity?: N, limit?: number): Promise<Conflict[]>;
  conflict<N extends keyof E & string>(entity: N, key: Key): Promise<Conflict | null>;
  watchConflicts(): LiveQuery<Conflict>;
  rejected(limit?: number): Promise<RejectedEntry[]>;
  watchRejected(limit?: number): LiveQuery<RejectedEntry>;
  /** False if it was sent or fixed already. */
  retryRejected(number: number): Promise<boolean>;
  /** Gives the change up with what depends on it, and says what became of each record. */
  discardRejected(number: number): Promise<DiscardedRecord[]>;
  /** What `discardRejected` would discard; nothing is done. */
  showDiscard(number: number): Promise<DiscardedRecord[]>;
  bin(filter?: BinFilter): Promise<BinEntry[]>;
  watchBin(filter?: BinFilter): LiveQuery<BinEntry>;
  /** Removes entries for good, all of them without a filter, and says how many. */
  emptyBin(filter?: BinFilter): Promise<number>;
  /** Writes values of the bin into their record again. */
  restore(id: string): Promise<Key>;
  /** The server has something new: syncs a context soon. */
  hint(context: C): void;
  /** The app is looked at again. A page notices by itself; a worker is told so by its page. */
  resumed(): void;
  /**
   * Signs a user in and opens their store. It needs no network for a user whose store is on this device; one who is not known here is first confirmed
   * by the server.
   */
  login(user: string, credentials: CredentialsProvider): Promise<void>;
  /** Signs the user out and says what was not sent. `"send"` throws `unsent_changes` if something is left; the user is then still signed in. */
  logout(policy: LogoutPolicy): Promise<Unsent>;
  /** Who is signed in by `login`; null if nobody is. */
  user(): string | null;
  /** Syncing that waited for new credentials goes on. */
  credentialsChanged(): void;
  /** What the browser gives, in bytes, and whether it promises to keep it. `atRisk`: it does not, and there are unsent changes. */
  storage(): Promise<{ persisted: boolean; usage: number; quota: number; atRisk: boolean }>;
  /** Asks the browser to keep the site's data, best upon a click; some browsers ask the user. Whether it does. */
  persistStorage(): Promise<boolean>;
  close(): void;
  free(): void;
}
export interface OnSync<E extends AnyEntities = AnyEntities, C extends string = string> extends Records<E> {}
