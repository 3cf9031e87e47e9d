"""tastemesh: a decentralised, Sybil-resistant, peer-to-peer recommender."""

__version__ = "0.1.0"
