-- Others' key rotations: they outlast the records that brought them, or a key that was rotated out
-- would be in force again after a restart.

CREATE TABLE lineages (
    author BLOB PRIMARY KEY CHECK (length(author) = 32),
    checksum INTEGER NOT NULL, -- nothing else tells an altered one from a good one
    lineage BLOB NOT NULL
) STRICT;
