"""Who is worth listening to: endorsement trust by MeritRank walks, tilted by bounded adoption."""
