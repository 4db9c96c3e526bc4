"""Short questions that are made on the server: a cost for whoever automates sign-up, never a proof.

The answer is kept as a digest under the form's nonce and is nowhere in what is sent.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from random import Random

_TEXT = """
amber anchor apple arrow autumn bamboo barrel basket beacon birch bottle branch bridge bronze button canyon
carpet castle cedar cherry circle clover copper coral cotton cradle crystal dolphin dragon emerald engine falcon
feather fiddle forest fossil garden ginger glacier granite hammer harbor hazel island ivory jacket jasmine
kettle ladder lantern lemon lizard magnet maple marble meadow mirror mitten nectar needle olive orchid otter
paper pebble pepper pillow planet pocket pollen prairie puzzle quartz rabbit ribbon river rocket saddle salmon
shadow silver spider spruce sunset temple thistle timber tulip tunnel turtle valley velvet violet walnut
whistle willow winter zipper
"""
_WORDS = tuple(_TEXT.split())
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_PLACES = ("first", "second", "third", "fourth", "fifth")
_NOT_WORDS = re.compile(r"[^0-9a-z]+")


@dataclass(frozen=True, slots=True)
class Challenge:
    """A question and its answer as `normalise` leaves it."""

    question: str
    answer: str


def draw(random: Random) -> Challenge:
    """Make a question."""
    return random.choice(_GENERATORS)(random)


def normalise(answer: str) -> str:
    """Reduce an answer to what counts: case, spaces, signs and the spelling of small numbers do not."""
    plain = _NOT_WORDS.sub("", answer.casefold())
    return str(_NUMBERS.index(plain)) if plain in _NUMBERS else plain


def digest_of(nonce: str, answer: str) -> bytes:
    """Digest an answer with its form's nonce, so that equal answers look different."""
    return sha256(f"{nonce}\n{normalise(answer)}".encode()).digest()


def _nth_word(random: Random) -> Challenge:
    words = random.sample(_WORDS, 5)
    place = random.randrange(5)
    return Challenge(f"Type the {_PLACES[place]} of these words: {', '.join(words)}.", words[place])


def _word_after(random: Random) -> Challenge:
    words = random.sample(_WORDS, 5)
    place = random.randrange(4)
    return Challenge(f"In “{' '.join(words)}”, which word comes right after “{words[place]}”?", words[place + 1])


def _letter(random: Random) -> Challenge:
    word = random.choice(_WORDS)
    place = random.randrange(len(_PLACES))
    return Challenge(f"Which letter is the {_PLACES[place]} one of “{word}”?", word[place])


def _sum_of_things(random: Random) -> Challenge:
    one, other = random.sample(_WORDS, 2)
    some, more = random.randrange(2, 13), random.randrange(2, 13)
    text = f"A box holds {_NUMBERS[some]} of {one} and {_NUMBERS[more]} of {other}. How many is that together?"
    return Challenge(text, str(some + more))


def _without(random: Random) -> Challenge:
    words = random.sample(_WORDS, 3)
    gone = random.randrange(3)
    rest = [word for word in words if word != words[gone]]
    text = f"Type these words without “{words[gone]}”: {' '.join(words)}"
    return Challenge(text, "".join(rest))


_GENERATORS: tuple[Callable[[Random], Challenge], ...] = (_nth_word, _word_after, _letter, _sum_of_things, _without)
