"""How answers are put into words for a terminal."""

from typing import Any


def printable(text: str) -> str:
    r"""Return a text from the network as a terminal may show it: nothing in it moves the cursor.

    >>> printable("caf\u00e9 \u202egnp.exe")
    'café \\u202egnp.exe'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def bound_in_words(bound: dict[str, Any] | None) -> str:
    """Return what the Sybil bound of a list says to its reader.

    Args:
        bound: as `status()["sybil_bound"]` has it; None if the node does not work it out.

    >>> bound_in_words({"trust_needed": 0.0, "heaviest_contact": "", "heaviest_share": 0.0})
    'No bound holds: nobody whom your endorsements reach holds anything here.'
    """
    if bound is None:
        return "The Sybil bound is worked out for the first 16 users of a node only."
    if not bound["heaviest_contact"]:
        return "No bound holds: nobody whom your endorsements reach holds anything here."
    if not bound["trust_needed"]:
        return "Your list is not full, so anybody whom trust reaches can add to it."
    needed, heaviest = bound["trust_needed"], bound["heaviest_share"]
    text = (
        "To give an item of theirs the score of the tenth on this list, hostile identities, "
        f"however many, would need at least {needed:.2%} of your trust. Of the trust behind your "
        f"list {heaviest:.1%} comes through {contact_in_words(bound['heaviest_contact'])}, the "
        "largest part."
    )
    if heaviest < needed:
        return text
    return text + " If he were deceived, it could be enough; endorsing others makes it less."


def contact_in_words(contact: str) -> str:
    """Return whom trust comes through; the empty string is nobody."""
    return f"{contact[:16]}…" if contact else "nobody you trust"
