-- Epochs that a home had before it was copied, in which the other one may go on, are reserved up to
-- 2^61. Which these are was not kept so far: all but the last of each identity may be.

UPDATE own_sequences SET until = 2305843009213693952 WHERE (author, epoch) NOT IN (
    SELECT author, max(epoch) FROM own_sequences GROUP BY author
);
