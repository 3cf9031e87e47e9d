"""The attack lab: attackers on real data, every system on one and the same view of it."""
