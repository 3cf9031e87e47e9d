-- The window as signed envelopes (ADR 5), what must survive power loss, and what names the database.

PRAGMA application_id = 0x746d7368; -- "tmsh": so that no other program's database is taken for ours

CREATE TABLE records (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT, -- order of first seen; never used twice
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
    author BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    created_ms INTEGER NOT NULL, -- the author's clock
    first_seen_ms INTEGER NOT NULL, -- this node's clock
    own INTEGER NOT NULL CHECK (own IN (0, 1)),
    statement_count INTEGER NOT NULL,
    envelope BLOB NOT NULL -- exactly as received
) STRICT;

CREATE TABLE own_sequences (
    author BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    until INTEGER NOT NULL, -- every seq below it may have been published
    PRIMARY KEY (author, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE private_interactions (
    arrival INTEGER PRIMARY KEY,
    author BLOB NOT NULL,
    item TEXT NOT NULL,
    kind TEXT NOT NULL,
    weight_q INTEGER NOT NULL,
    ago_ms INTEGER NOT NULL,
    wall_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
