"""One peer: the pure core, and the drivers that give it a clock, a broker and a disk."""
