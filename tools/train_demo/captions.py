"""captions.py - what is said about a scene, and the words it takes.

One scene has many captions: synonyms, the pair told from either object, the background first, last or not at all,
a colour left out, "a picture of", words that mean nothing here. The vocabulary is a WordPiece one with the plural
endings ##s and ##es, so that BertTokenizer reads it.
SPDX-License-Identifier: MIT
"""
from world import PALETTE, SHAPES

SYNONYMS = {  # a word more often listed is more often said
    "circle": ["circle", "circle", "circle", "disc", "ball"], "square": ["square", "square", "square", "box"],
    "triangle": ["triangle"], "star": ["star"], "ring": ["ring"], "cross": ["cross", "cross", "plus"],
    "heart": ["heart"]}
SIZE_WORDS = {
    "small": ["small", "small", "little", "tiny"], "medium": [""], "large": ["large", "large", "big", "huge"]}
RELATION_WORDS = {
    "above": ["above", "above", "over", "on top of"], "below": ["below", "below", "under", "beneath"],
    "left": ["left of", "to the left of", "on the left of"], "right": ["right of", "to the right of", "on the right of"],
    "inside": ["inside", "inside", "in", "within"]}
INVERSE = {"above": "below", "below": "above", "left": "right", "right": "left"}
NUMBERS = {2: "two", 3: "three", 4: "four"}
IMAGE_WORDS = ["picture", "drawing", "image", "painting", "photo", "icon", "illustration"]
KNOWN_FILLERS = ["nice", "simple", "cute", "detailed"]
FILLERS = KNOWN_FILLERS + ["beautiful", "modern", "abstract", "digital", "qzx", "of the day", "4k"]
LENGTH = 77


def article(words):
    return ("an " if words[0] in "aeio" else "a ") + words


def plural(word):
    return word + ("es" if word[-1] in "sx" else "s")


def say_object(rng, thing, with_colour, count=1):
    word = rng.choice(SYNONYMS[thing.shape])
    words = [rng.choice(SIZE_WORDS[thing.size]), thing.colour if with_colour else "", plural(word) if count > 1 else word]
    words = " ".join(w for w in words if w)
    if count > 1:
        return NUMBERS[count] + " " + words
    return words if rng.random() < .04 else article(words)


def say_place(rng, place):
    if " " in place:
        return rng.choice(["in the %s corner", "in the %s corner", "at the %s", "in the %s"]) % place
    return rng.choice(["at the %s", "on the %s"]) % place


def say_pair(rng, first, second, relation):
    way = rng.random()
    if relation == "inside":
        if way > .75:
            return second + rng.choice([" with %s inside", " containing %s", " around %s"]) % first
    elif relation in ("left", "right") and way > .85:
        left, right = (first, second) if relation == "left" else (second, first)
        return rng.choice(["%s and %s", "%s next to %s", "%s beside %s"]) % (left, right)
    elif way > .7:
        return f"{second} {rng.choice(RELATION_WORDS[INVERSE[relation]])} {first}"
    return f"{first} {rng.choice(RELATION_WORDS[relation])} {second}"


def say_scene(rng, scene, with_colour):
    things = scene.objects
    if scene.kind == "pair":
        first, second = (say_object(rng, thing, with_colour) for thing in things)
        return say_pair(rng, first, second, scene.relation)
    words = say_object(rng, things[0], with_colour, len(things))
    if scene.kind == "place":
        return words + " " + say_place(rng, scene.relation)
    if scene.kind == "one" and rng.random() < .15:
        return words + rng.choice([" in the middle", " in the center", " in the centre"])
    return words


def say_background(rng, colour):
    colour = "grey" if colour == "gray" and rng.random() < .4 else colour
    background = article(colour) + " background"
    return rng.choice(["on " + background, "on " + background, "on " + colour, "with " + background, "against " + background])


def caption(scene, rng, complete=False):
    """One way to say it; complete: with every colour and the background."""
    words = say_scene(rng, scene, complete or rng.random() > .05)
    background = say_background(rng, scene.background)
    where = rng.random() * (.9 if complete else 1)
    if where < .82:
        words = words + " " + background
    elif where < .9:
        words = background + rng.choice([" , ", " "]) + words
    if rng.random() < .25:
        filler = rng.choice(FILLERS) + " " if rng.random() < .4 else ""
        image = filler + rng.choice(IMAGE_WORDS)
        words = (article(image) if rng.random() < .8 else image) + " of " + words
    return words + (" ." if rng.random() < .1 else "")


def vocabulary():
    words = ("[PAD] [UNK] [CLS] [SEP] [MASK] a an the of and on in at to with next beside top bottom left right "
             "above over below under beneath inside within containing around middle center centre corner background "
             "against one two three four , . ##s ##es small little tiny large big huge medium").split()
    words += IMAGE_WORDS + KNOWN_FILLERS + list(PALETTE) + ["grey"]
    return words + [w for shape in SHAPES for w in dict.fromkeys(SYNONYMS[shape])]


class Tokenizer:
    """What BertTokenizer does with these captions: words split at spaces, commas and stops, longest piece first."""

    def __init__(self):
        self.ids = {word: i for i, word in enumerate(vocabulary())}

    def pieces(self, word):
        found, start = [], 0
        while start < len(word):
            ends = (e for e in range(len(word), start, -1) if ("##" if start else "") + word[start:e] in self.ids)
            end = next(ends, None)
            if end is None:
                return [self.ids["[UNK]"]]
            found.append(self.ids[("##" if start else "") + word[start:end]])
            start = end
        return found

    def __call__(self, text):
        words = text.lower().replace(",", " , ").replace(".", " . ").split()
        ids = [self.ids["[CLS]"]] + [i for word in words for i in self.pieces(word)]
        ids = ids[:LENGTH - 1] + [self.ids["[SEP]"]]
        return ids + [self.ids["[PAD]"]] * (LENGTH - len(ids))
