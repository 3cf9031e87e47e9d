-- An author's private interactions are read newest first, a page at a time, and the oldest go first.
-- 2^54 is added to a date: in a damaged file nothing but its size tells an entry of this index from a
-- reservation of sequence numbers, whose second column is below 2^53.

DROP INDEX private_by_author;
CREATE INDEX private_by_date ON private_interactions (author, wall_ms - ago_ms + 18014398509481984);
