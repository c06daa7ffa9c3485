"""What the functions are called with: names of arguments, and random values for them."""

from itertools import product
from random import Random

LIST = ("arr", "items", "nums", "lst", "values", "numbers", "data", "xs")
TEXT = ("text", "s", "string", "sentence")
WORD = ("word", "text", "s", "string")
WORDS = ("words", "strings", "items", "lst")
NUMBER = ("n", "number", "num", "x")
TABLE = ("d", "table", "mapping", "data")

VOCABULARY = (
    *("apple", "noon", "tree", "level", "cat", "dog", "house", "river", "stone", "queen", "bird", "radar", "moon"),
    *("sun", "tea", "kayak", "egg", "wolf", "ice", "rose", "Anna", "Bob", "Paris", "Rome", "Tom"),
)


def both(firsts: tuple[str, ...], seconds: tuple[str, ...]) -> tuple[str, ...]:
    """Signatures of two arguments: each first name with each second."""
    return tuple(f"{first}, {second}" for first, second in product(firsts, seconds) if first != second)


def integers(rng: Random, least: int = 0, most: int = 8, low: int = -12, high: int = 12) -> list[int]:
    """Between `least` and `most` numbers between `low` and `high`, some of them likely twice."""
    return [rng.randint(low, high) for _ in range(rng.randint(least, most))]


def distinct(rng: Random, least: int = 0, most: int = 8) -> list[int]:
    """Different numbers in no order."""
    return rng.sample(range(-20, 21), rng.randint(least, most))


def words(rng: Random, least: int = 0, most: int = 6) -> list[str]:
    """Words, some of them likely twice."""
    return rng.choices(VOCABULARY[: rng.randint(4, len(VOCABULARY))], k=rng.randint(least, most))


def text(rng: Random, least: int = 0, most: int = 5) -> str:
    """Words with blanks between them."""
    return " ".join(words(rng, least, most))


def letters(rng: Random, least: int = 0, most: int = 8, alphabet: str = "aabcde") -> str:
    """A string of few different letters."""
    return "".join(rng.choices(alphabet, k=rng.randint(least, most)))


def table(rng: Random, least: int = 0, most: int = 5, low: int = -9, high: int = 9) -> dict[str, int]:
    """A dictionary from words to numbers."""
    keys = rng.sample(VOCABULARY, rng.randint(least, most))
    return {key: rng.randint(low, high) for key in keys}
