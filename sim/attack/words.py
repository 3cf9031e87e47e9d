"""What a report's terms mean, for a reader who has not read the papers."""

from collections.abc import Mapping

TERMS: Mapping[str, str] = {
    "identity": "A key that signs what it did. Anybody can mint as many as he likes, for nothing. "
    "Many identities of one person are called Sybils.",
    "endorsement": "A signed statement: I trust this person's taste. Only the one who trusts can "
    "make it.",
    "attack edge": "An endorsement by an honest person who was deceived into endorsing one of the "
    "attacker's identities. It is the one thing that an attacker has to earn.",
    "target": "The item that the attacker wants seen. Only his identities hold it, so nobody could "
    "want it for an honest reason.",
    "exposure@10": "The share of honest users who find the target among their first ten "
    "recommendations. 0 is a failed attack, 1 a complete one. Users who endorse a deceived person "
    "directly are left out and reported apart: their own friend vouches for the attacker.",
    "messages": "Signed records that the attacker had to publish, each as full as the protocol "
    "allows. What an attack costs in traffic.",
    "sybil mass": "The share of a user's trust that the attacker's identities have together. Only "
    "systems with trust have it.",
    "bound": "What the proof in docs/theory.md allows the attacker at most, whatever he does with "
    "the trust he has. Neither exposure nor sybil mass can be above it.",
    "ndcg@10": "How well the list of ten predicts what was hidden from the system, 0 to 1. Clean "
    "is without the attack. If it falls under attack, honest users pay for the attacker.",
    "niche collateral": "The share of rarely held honest items that fell off the lists under "
    "attack. A defence that buries newcomers would show here.",
}

SYSTEMS: Mapping[str, str] = {
    "tastemesh": "This project: only endorsements create trust, and every step of the ranking is "
    "anchored in it.",
    "web3recommend": "Its closest ancestor (TU Delft, 2023), by its literal rule: walks that "
    "return to trusted users only. Trust is endorsements, filled up with similar taste.",
    "salsa": "A personalised random walk between users and items, as used at Twitter. Everybody "
    "counts alike.",
    "userknn": "People with similar taste vote. The classic recommender; no trust.",
    "popularity": "What most identities hold. The baseline that anybody can stuff.",
    "itemknn": "Items that the same people hold stand for each other. The classic shop's "
    "recommender; no trust.",
    "rp3beta": "Three steps of a random walk, from you to others with your items and to theirs, "
    "popular items discounted.",
    "ease": "Learns how far each item speaks for each other one, from everybody's lists at once.",
    "als": "Matrix factorisation: describes people and items by 64 numbers each that fit who holds "
    "what.",
    "friends": "What the people you endorse hold, counted.",
    "tastemesh-similarity": "This project's ranking with trust by similar taste instead of "
    "endorsements: what security costs, and what it is worth.",
}

GROUPS: Mapping[str, str] = {
    "endorsing": "users who have endorsed somebody",
    "without-endorsements": "users who have endorsed nobody: nothing anchors their list, it is "
    "marked unverified, and no bound holds for it",
}
