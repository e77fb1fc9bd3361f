"""world.py - the pictures the demo models learn: coloured shapes on a plain background, 64 by 64 pixels, or larger.

A scene is one of four kinds: one object, one object at a place, two to four equal objects, or two objects in a
relation. Objects are drawn with signed distances d (negative inside, in pixels): coverage = clip(1/2 - d, 0, 1), a
soft shadow below, light from the top left and a darker rim. Everything random comes from one random.Random.
The smallest radius is 9.5 pixels: below that a star, cross or ring is lost in a latent image of 8 by 8.
SPDX-License-Identifier: MIT
"""
from dataclasses import dataclass, field

import numpy as np

SIDE = 64
PALETTE = {
    "red": (222, 38, 42), "orange": (250, 140, 25), "yellow": (252, 220, 50), "green": (40, 165, 75),
    "blue": (38, 85, 215), "purple": (130, 50, 175), "pink": (250, 140, 195), "white": (244, 244, 240),
    "black": (28, 28, 32), "gray": (135, 138, 142)}
BACKGROUNDS = list(PALETTE)
OBJECT_COLOURS = BACKGROUNDS[:-1]
# Neighbours that are hard to tell apart; never drawn one upon the other.
CLOSE = {frozenset(pair.split()) for pair in (
    "red orange", "orange yellow", "yellow white", "pink white", "red pink", "orange pink", "purple blue",
    "black purple", "gray pink")}

SHAPES = ["circle", "square", "triangle", "star", "ring", "cross", "heart"]
CONTAINERS = ["circle", "square", "ring", "heart"]
SIZES = ["small", "medium", "large"]
RADII = {  # in pixels, of small, medium and large
    "one": (10, 15.5, 22), "place": (9.5, 11.25, 13), "many": (9.5, 10.5, 12), "pair": (9.5, 11.25, 13),
    "inside": (9.5, 11, 11), "container": (25, 25, 28)}
PLACES = {
    "top left": (-1, -1), "top right": (1, -1), "bottom left": (-1, 1), "bottom right": (1, 1),
    "top": (0, -1), "bottom": (0, 1), "left": (-1, 0), "right": (1, 0)}
RELATIONS = {"above": (0, -1), "below": (0, 1), "left": (-1, 0), "right": (1, 0)}
LAYOUTS = {
    2: [(-15, 0), (15, 0)],
    3: [(0, -14), (-15, 13), (15, 13)],
    4: [(-15, -15), (15, -15), (-15, 15), (15, 15)]}


@dataclass
class Object:
    shape: str
    colour: str
    size: str
    x: float  # of the centre, in pixels
    y: float
    radius: float
    rotation: float  # in degrees


@dataclass
class Scene:
    kind: str  # one, place, many, pair
    background: str
    objects: list = field(default_factory=list)  # pair: the first is above, inside, ... the second
    relation: object = None  # place: its name; pair: the relation


def pick_colour(rng, avoid):
    """A colour that can be told from each of avoid."""
    return rng.choice([c for c in OBJECT_COLOURS if c not in avoid and not any(frozenset((c, a)) in CLOSE for a in avoid)])


def pick_radius(rng, table, size):
    return RADII[table][SIZES.index(size)] * rng.uniform(.96, 1.04)


def make_object(rng, table, colour, x, y, jitter):
    size = rng.choice(SIZES)
    return Object(rng.choice(SHAPES), colour, size, SIDE / 2 + x + rng.uniform(-jitter, jitter),
                  SIDE / 2 + y + rng.uniform(-jitter, jitter), pick_radius(rng, table, size), rng.uniform(-8, 8))


def one_scene(rng, background):
    return Scene("one", background, [make_object(rng, "one", pick_colour(rng, [background]), 0, 0, 3)])


def place_scene(rng, background):
    place = rng.choice(list(PLACES))
    x, y = PLACES[place]
    return Scene("place", background, [make_object(rng, "place", pick_colour(rng, [background]), 15 * x, 15 * y, 2)], place)


def many_scene(rng, background):
    """Two to four objects equal in shape, colour and size."""
    layout = LAYOUTS[rng.choice(list(LAYOUTS))]
    model = make_object(rng, "many", pick_colour(rng, [background]), 0, 0, 0)
    places = [(SIDE / 2 + x + rng.uniform(-1, 1), SIDE / 2 + y + rng.uniform(-1, 1)) for x, y in layout]
    return Scene("many", background, [Object(**{**vars(model), "x": x, "y": y}) for x, y in places])


def inside_scene(rng, background):
    colour = pick_colour(rng, [background])
    size = rng.choice(["medium", "large"])
    x, y = SIDE / 2 + rng.uniform(-2, 2), SIDE / 2 + rng.uniform(-2, 2)
    outer = Object(rng.choice(CONTAINERS), colour, size, x, y, pick_radius(rng, "container", size), rng.uniform(-5, 5))
    inner = make_object(rng, "inside", pick_colour(rng, [background, colour]), 0, 0, 0)
    if inner.size == "large" or outer.shape == "ring":
        inner.size, inner.radius = "small", 9.5
    inner.x, inner.y = x + rng.uniform(-1, 1), y + rng.uniform(-1, 1) - (2 if outer.shape == "heart" else 0)
    return Scene("pair", background, [inner, outer], "inside")


def beside_scene(rng, background):
    relation = rng.choice(list(RELATIONS))
    x, y = RELATIONS[relation]
    slide = rng.uniform(-4, 4)  # of both, across the relation
    first = pick_colour(rng, [background])
    second = pick_colour(rng, [background] if rng.random() < .15 else [background, first])
    objects = [make_object(rng, "pair", colour, 15.5 * sign * x + slide * abs(y), 15.5 * sign * y + slide * abs(x), 1)
               for colour, sign in ((first, 1), (second, -1))]
    return Scene("pair", background, objects, relation)


def make_scene(rng):
    background = rng.choice(BACKGROUNDS)
    kind = rng.choices([one_scene, place_scene, many_scene, inside_scene, beside_scene], [22, 12, 16, 12, 38])[0]
    return kind(rng, background)


# ---- drawing

class Frame:
    """A square of `side` pixels of the picture drawn `scale` times as large, from (left, top) on. Lengths in a scene stay
    in pixels of the picture of 64 by 64; rows and columns are the pixels' centres in them."""

    def __init__(self, scale=1, side=SIDE, left=0, top=0):
        self.scale = scale
        rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
        self.rows, self.columns = (rows + top + np.float32(.5)) / scale, (columns + left + np.float32(.5)) / scale


WHOLE = Frame()


def star_distance(x, y):
    """A star of five points, tips at 1.1: the plane is folded to half a point, whose edge is a line."""
    cos, sin, tip, depth = .809016994, .587785252, 1.1, .45
    x, y = abs(x), -y - .03
    for fold_x, fold_y in ((cos, -sin), (-cos, -sin)):
        over = 2 * np.maximum(fold_x * x + fold_y * y, 0)
        x, y = x - over * fold_x, y - over * fold_y
    x, y = abs(x), y - tip
    edge_x, edge_y = depth * sin, depth * cos - 1
    along = np.clip((x * edge_x + y * edge_y) / (edge_x ** 2 + edge_y ** 2), 0, tip)
    return np.hypot(x - edge_x * along, y - edge_y * along) * np.sign(y * edge_x - x * edge_y)


def heart_distance(x, y):
    """Two arcs above, two straight lines to the point below."""
    scale = .58
    x, y = abs(x) * scale, -y * scale + .54
    arc = np.hypot(x - .25, y - .75) - .35355339
    along = .5 * np.maximum(x + y, 0)
    line = np.sqrt(np.minimum(x ** 2 + (y - 1) ** 2, (x - along) ** 2 + (y - along) ** 2)) * np.sign(x - y)
    return np.where(x + y > 1, arc, line) / scale


def distance(shape, x, y):
    """Signed distance to the shape's edge, coordinates and result in units of the radius, y down."""
    if shape == "circle":
        return np.hypot(x, y) - .98
    if shape == "square":
        return np.maximum(abs(x), abs(y)) - .86
    if shape == "ring":
        return abs(np.hypot(x, y) - .75) - .245
    if shape == "cross":
        return np.minimum(np.maximum(abs(x) - 1, abs(y) - .33), np.maximum(abs(x) - .33, abs(y) - 1))
    if shape == "triangle":
        y = y - .22
        return np.maximum(y, np.maximum(.8660254 * x - .5 * y, -.8660254 * x - .5 * y)) - .6
    return star_distance(x, y) if shape == "star" else heart_distance(x, y)


def local(thing, frame, shift_x=0, shift_y=0):
    """Pixel centres in the object's own coordinates."""
    angle = np.deg2rad(thing.rotation)
    x, y = (frame.columns - thing.x - shift_x) / thing.radius, (frame.rows - thing.y - shift_y) / thing.radius
    return np.cos(angle) * x + np.sin(angle) * y, -np.sin(angle) * x + np.cos(angle) * y


def coverage(thing, frame=WHOLE):
    """How much of each pixel the object covers, [64][64] in 0..1."""
    return np.clip(.5 - distance(thing.shape, *local(thing, frame)) * (thing.radius * frame.scale), 0, 1)


def tint(rng, colour):
    return np.array(PALETTE[colour], np.float32) / 255 * np.array([1 + rng.uniform(-.03, .03) for _ in range(3)], np.float32)


def draw_object(image, thing, colour, frame):
    shadow = distance(thing.shape, *local(thing, frame, 1.2, 1.8)) * thing.radius
    image = image * (1 - .3 * np.clip((2.2 - shadow) / 4.4, 0, 1)[..., None])
    x, y = local(thing, frame)
    depth = np.minimum(distance(thing.shape, x, y) * thing.radius, 0)
    light = 1.03 - .11 * np.clip((x + y) / 1.4, -1, 1) - .16 * np.exp(-(depth / 1.6) ** 2)
    cover = coverage(thing, frame)[..., None]
    return image * (1 - cover) + cover * colour * light[..., None]


def draw(scene, rng, frame=WHOLE):
    """The picture, uint8 [64][64][3]; the second object of a pair lies below the first."""
    image = tint(rng, scene.background) * (1.05 - .1 * frame.rows[..., None] / SIDE)
    for thing in reversed(scene.objects):
        image = draw_object(image, thing, tint(rng, thing.colour), frame)
    return (np.clip(image, 0, 1) * 255 + .5).astype(np.uint8)


def layout(scene, image):
    """What lies where: of each of 8 by 8 cells the mean colour in -1..1 and how much each of the seven shapes covers,
    times two; float32 [64][10]. The target that teaches the text encoder to place things."""
    shapes = np.zeros((SIDE, SIDE, len(SHAPES)), np.float32)
    for thing in scene.objects:
        plane = shapes[..., SHAPES.index(thing.shape)]
        np.maximum(plane, coverage(thing), out=plane)
    both = np.concatenate([image / np.float32(127.5) - 1, 2 * shapes], -1)
    return both.reshape(8, 8, 8, 8, -1).mean((1, 3)).reshape(64, -1).astype(np.float32)
