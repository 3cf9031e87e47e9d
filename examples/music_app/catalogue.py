"""What the service has to play: an album a line, as (item, artist, title).

Items are named as `tastemesh import` names what it knows by words only, so that this service and
others mean the same by them; a service that has MusicBrainz or ISRC codes uses those.
"""

from tastemesh.node.imports.items import of_words

_ALBUMS = (
    ("Alice Coltrane", "Journey in Satchidananda"),
    ("Pharoah Sanders", "Karma"),
    ("Mulatu Astatke", "Mulatu of Ethiopia"),
    ("Yusef Lateef", "Eastern Sounds"),
    ("Dorothy Ashby", "Afro-Harping"),
    ("Nina Simone", "Pastel Blues"),
    ("Andrew Hill", "Point of Departure"),
    ("Abdullah Ibrahim", "Water from an Ancient Well"),
    ("Nick Drake", "Bryter Layter"),
    ("Vashti Bunyan", "Just Another Diamond Day"),
    ("Bert Jansch", "L.A. Turnaround"),
    ("Linda Perhacs", "Parallelograms"),
    ("Arthur Russell", "Another Thought"),
    ("Sibylle Baier", "Colour Green"),
    ("Karen Dalton", "In My Own Time"),
    ("Harold Budd", "The Pavilion of Dreams"),
    ("Hiroshi Yoshimura", "Music for Nine Post Cards"),
    ("Laraaji", "Day of Radiance"),
    ("Pauline Oliveros", "Deep Listening"),
    ("Midori Takada", "Through the Looking Glass"),
    ("Jon Hassell", "Vernal Equinox"),
    ("Éliane Radigue", "Trilogie de la Mort"),
    ("Fela Kuti", "Expensive Shit"),
    ("Ali Farka Touré", "The Source"),
    ("Orchestra Baobab", "Pirates Choice"),
    ("Francis Bebey", "Akwaaba"),
    ("William Onyeabor", "Atomic Bomb"),
    ("Rail Band", "Soundiata"),
)

TRACKS = tuple((of_words(artist, title), artist, title) for artist, title in _ALBUMS)
