"""English sentences by lot: some about the world's objects and colours, most about the rest of the world.

Words are drawn with falling frequency: the first of each list often, those of `RARE` seldom, so that a threshold on
the count divides them.
"""

from __future__ import annotations

import random

from clip_pipeline.sandbox.scenes import COLOURS, OBJECTS, pick
from clip_pipeline.sandbox.search_index import BACKGROUND_TAGS


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, divided at white space."""
    return tuple(text.split())


PLACES = tuple(tag for tags in BACKGROUND_TAGS.values() for tag in tags) + ("sunset",)

NOUNS = words_of(
    """year city village river mountain valley bridge road school church market station island harbour castle tower
    garden museum library theatre hospital factory farm street district region country king queen family child woman
    man artist writer painter teacher farmer soldier sailor traveller merchant builder engineer scientist musician
    song story book letter poem picture film play festival holiday journey war treaty law council election party
    government company shop trade money price work tool machine engine wheel rope glass stone metal iron gold silver
    paper cloth leather bread milk fruit apple grain salt sugar wine horse dog cat bird sheep cow bear wolf eagle
    insect leaf root seed field hill lake coast desert storm wind rain cloud sun moon light shadow fire ice summer
    spring autumn morning evening hour day week month century room door window roof floor kitchen chair bed clock
    mirror box basket bottle plate knife hand eye head heart face voice name language word number line circle square
    map plan design colour shape size weight length surface edge corner centre border group team player game race
    prize record member leader student university science history art music dance religion custom tradition culture
    society population century form part kind example method system process result problem question answer idea
    theory study research report newspaper radio train ship aeroplane bicycle canal railway tunnel gate"""
)
ADJECTIVES = words_of(
    """old new large small early late long short high low great famous common local national public modern ancient
    important main young rich poor strong weak heavy light dark bright warm cold dry wet soft hard round flat wide
    narrow deep quiet loud fast slow clean simple rare popular natural northern southern eastern western royal
    traditional industrial religious military wooden golden beautiful strange useful dangerous gentle wild empty full
    open closed central distant foreign rural free single double complete typical similar different"""
)
VERBS = words_of(
    """built found made opened closed moved sold bought painted wrote described carried placed kept lost won played
    visited crossed followed reached changed destroyed repaired discovered founded designed used showed joined ruled
    studied collected published recorded planted covered counted measured divided produced replaced removed protected
    remembered named called bore raised taught received offered sent brought drew cut held left returned"""
)
ADVERBS = words_of(
    """often later soon usually slowly quickly rarely together nearby once again partly mostly finally early still
    recently widely probably almost never always sometimes"""
)
RARE = words_of(
    """abacus acorn adobe alcove almanac amber anvil apiary apricot arbour archive armoury artisan asphalt atlas aviary
    badger balcony bamboo banjo barley barometer basalt beacon beaver bellows birch biscuit blacksmith blanket bobbin
    bonfire boulder bramble brass brewery bronze buckle bugle burrow butter cabbage cabin calendar camel candle canoe
    canvas carriage carpet cathedral cavern cedar cellar ceramic chalk chapel charcoal cheese cherry chestnut chimney
    chisel cider cinnamon clarinet clay clover cobbler cobweb coconut compass copper coral cornet cottage cradle crane
    crater cricket crocus crystal cupboard curtain cypress dagger daisy dolphin donkey dragon drum eggshell elm ember
    enamel falcon feather fern ferry fiddle fig flannel flax flint flute fossil fountain fresco furnace gable garlic
    gazette ginger glacier goblet goose granary granite gravel guitar hammer hammock harp harvest hatchet hazel hearth
    hedgehog heron hinge honey horizon hornet hourglass inkwell ivory ivy jasmine jigsaw juniper kettle kiln kite
    lacquer ladder lagoon lantern larch lavender ledger lemon lichen lighthouse lime linen lobster locket loom lotus
    lute magnet mahogany mallet mandolin mantle maple marble marsh meteor mill mint molasses mosaic moss muslin mustard
    nectar needle nettle nickel nutmeg oak oar oasis oboe olive onion orchard orchid otter oven owl paddle parchment
    parrot peacock pear pebble pelican pendulum pepper periscope petal pewter pigeon pillar pine pinnacle plaster plough
    plum poppy porcelain prism pumpkin pyramid quarry quartz quill rabbit raft raisin rapids reed reef resin ribbon
    rivet robin rosemary rudder saddle saffron sandal sapphire satchel scaffold scarf sculpture seagull shovel shutter
    silk slate sleigh snail soap sparrow spice spindle spruce squirrel stable starling steeple stork straw swallow
    swan tallow tapestry tar teapot thatch thistle thread thyme tide tile timber tinder tobacco topaz torch tortoise
    trellis trout trumpet tulip turnip turret twine vanilla varnish velvet viaduct vineyard violet violin volcano
    vulture waffle wagon walnut waltz warehouse wasp watermill weasel wharf wheat whistle wicker willow windmill wool
    workshop yarn yeast zinc"""
)
FOREIGN = (
    "Straße",
    "château",
    "fjörd",
    "señor",
    "český",
    "Москва",
    "日本語",
    "ελληνικά",
    "naïveté",
    "smörgåsbord",
    "Łódź",
)

SYLLABLES = ("al", "ba", "cor", "den", "el", "fa", "gor", "ha", "il", "ka", "lor", "ma", "nim", "or", "pel", "ro", "sa")
NAME_ENDINGS = ("berg", "dale", "ford", "grad", "ham", "mouth", "stad", "ton", "ville", "wick")

RARE_SHARE = 0.03
WORLD_SHARE = 0.36
"""Share of the sentences that are about the world's objects."""


class Prose:
    """Draws names, sentences and paragraphs from one generator."""

    def __init__(self, rng: random.Random):
        self.rng = rng

    def name(self) -> str:
        """An invented name of a town or a family, one of several thousand."""
        middle = pick(self.rng, SYLLABLES) if self.rng.random() < 0.7 else ""
        return (pick(self.rng, SYLLABLES) + middle + pick(self.rng, NAME_ENDINGS)).capitalize()

    def noun(self) -> str:
        return pick(self.rng, RARE) if self.rng.random() < RARE_SHARE else self._often(NOUNS)

    def adjective(self) -> str:
        return self._often(ADJECTIVES)

    def verb(self) -> str:
        return self._often(VERBS)

    def year(self) -> int:
        return 1200 + int(self.rng.random() * 820)

    def object(self) -> str:
        return pick(self.rng, OBJECTS)

    def colour(self) -> str:
        return pick(self.rng, COLOURS)

    def place(self) -> str:
        return pick(self.rng, PLACES)

    def sentence(self) -> str:
        """One sentence with a capital and a full stop."""
        text = self._world_sentence() if self.rng.random() < WORLD_SHARE else self._sentence()
        return text[0].upper() + text[1:] + "."

    def paragraph(self, sentences: int) -> list[str]:
        return [self.sentence() for _ in range(sentences)]

    def _often(self, words: tuple[str, ...]) -> str:
        """A word of the list, the first about eight times as often as the last."""
        return words[int(len(words) * self.rng.random() ** 1.5)]

    def _sentence(self) -> str:
        form = int(self.rng.random() * 9)
        noun, adjective, verb = self.noun, self.adjective, self.verb
        if form == 0:
            return f"in {self.year()} the {adjective()} {noun()} of {self.name()} was {verb()} by the {noun()}"
        if form == 1:
            return (
                f"the {noun()} and the {noun()} were {pick(self.rng, ADVERBS)} {verb()} near the {adjective()} {noun()}"
            )
        if form == 2:
            return f"a {adjective()} {noun()} {verb()} the {noun()} of the {noun()}, which had been {adjective()}"
        if form == 3:
            return f"it is known for its {adjective()} {noun()}, its {noun()} and a {noun()}"
        if form == 4:
            return f"many a {noun()} {verb()} the {adjective()} {noun()} until the {noun()} of {self.year()}"
        if form == 5:
            return f"{self.name()} {verb()} the {noun()}, {pick(self.rng, ADVERBS)} with a {adjective()} {noun()}"
        if form == 6:
            return f"the {noun()} has a {adjective()} {noun()}; the {noun()} is {adjective()} and {adjective()}"
        if form == 7:
            return f"after the {noun()}, the {noun()} was {verb()} and the {adjective()} {noun()} {verb()}"
        return f"most of the {noun()} lies between the {noun()} and the {adjective()} {noun()} of {self.name()}"

    def _world_sentence(self) -> str:
        form = int(self.rng.random() * 6)
        thing, colour, place = self.object, self.colour, self.place
        if form == 0:
            return f"a {colour()} {thing()} and a {colour()} {thing()} stand for the {self.noun()} by the {place()}"
        if form == 1:
            return f"the {colour()} {thing()} near the {place()} was {self.verb()} in {self.year()}"
        if form == 2:
            return f"every {thing()} is {colour()}, {colour()} or {colour()}, as is the {place()}"
        if form == 3:
            return f"the {self.noun()} shows a {colour()} {thing()} left of a {thing()}, with {place()} and {place()} behind"
        if form == 4:
            return f"people {self.verb()} the {thing()} and the {thing()} at the {place()}"
        return f"the {thing()} of the {self.noun()} is painted {colour()} and hangs above the {place()}"
