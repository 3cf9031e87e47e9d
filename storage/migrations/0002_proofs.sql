-- Proofs of equivocation: who was proved to have signed two records under one number counts for
-- nothing, also after a restart.

CREATE TABLE proofs (
    author BLOB PRIMARY KEY CHECK (length(author) = 32),
    proof BLOB NOT NULL -- both envelopes, as they travel
) STRICT;
