-- What OnSync keeps in the database it serves. Everything else it adds are one change table and a few triggers per
-- tracked table; those are written by triggers.rs, since they depend on the table.

-- One number for the whole database, raised by the triggers inside the write lock: the order of commits.
CREATE TABLE "_onsync_position" (
    "one" INTEGER PRIMARY KEY CHECK ("one" = 1),
    "position" INTEGER NOT NULL
);
INSERT INTO "_onsync_position" ("one", "position") VALUES (1, 0);

-- The tracked tables. Checkpoints below "horizon" must fetch again. "newest" keeps the greatest position of change rows that
-- were pruned. "key_columns" and "key_order" tell whether what devices hold was read under the same key and order.
CREATE TABLE "_onsync_tables" (
    "source" TEXT NOT NULL COLLATE NOCASE PRIMARY KEY,
    "key_columns" TEXT NOT NULL,
    "key_order" TEXT NOT NULL,
    "horizon" INTEGER NOT NULL,
    "newest" INTEGER NOT NULL
) WITHOUT ROWID;

-- Ordered bytes for the server: receipts, instances, history marks, keys.
CREATE TABLE "_onsync_area" (
    "area" TEXT NOT NULL,
    "key" BLOB NOT NULL,
    "value" BLOB NOT NULL,
    PRIMARY KEY ("area", "key")
) WITHOUT ROWID;
