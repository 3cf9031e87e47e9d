"""Numbers of things, as sentences and headings have them."""


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Return a number of things.

    Args:
        number: how many.
        noun: what one of them is called.
        nouns: what several are called; with an s at the end unless given.

    >>> counted(1, "record"), counted(2_000, "record"), counted(0, "identity", "identities")
    ('1 record', '2,000 records', '0 identities')
    """
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"
