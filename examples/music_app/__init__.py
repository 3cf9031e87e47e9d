"""A small music service: accounts, plays, friends, and a page "for you" that says why.

It keeps its own accounts and tracks in its own database, and embeds one tastemesh node that hosts
every user. See README.md beside this file.
"""
