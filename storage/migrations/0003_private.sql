-- Private interactions have a bound, and those past it are looked for by author.

CREATE INDEX private_by_author ON private_interactions (author);
