-- Framework tables of the device store. What the areas hold is the engine's business.

-- Which numbered migrations have run.
CREATE TABLE "_onsync_schema" ("version" INTEGER NOT NULL);
INSERT INTO "_onsync_schema" ("version") VALUES (0);

-- The last edit number given out; triggers raise it, so it must be a table.
CREATE TABLE "_onsync_sequence" ("id" INTEGER PRIMARY KEY, "edit" INTEGER NOT NULL);
INSERT INTO "_onsync_sequence" ("id", "edit") VALUES (1, 0);

-- Ordered maps from bytes to bytes.
CREATE TABLE "_onsync_area" (
    "area" TEXT NOT NULL,
    "key" BLOB NOT NULL,
    "value" BLOB NOT NULL,
    PRIMARY KEY ("area", "key")
) WITHOUT ROWID;

-- The attributes of each entity: their types, and whether they were configured when the store was last opened.
CREATE TABLE "_onsync_attribute" (
    "entity" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "configured" INTEGER NOT NULL,
    PRIMARY KEY ("entity", "name")
) WITHOUT ROWID;

-- Tables, views and triggers made here, as they were made: tells own from foreign ones, and notices changed ones.
CREATE TABLE "_onsync_object" (
    "name" TEXT NOT NULL,
    "entity" TEXT NOT NULL,
    "sql" TEXT NOT NULL,
    PRIMARY KEY ("name")
) WITHOUT ROWID;
