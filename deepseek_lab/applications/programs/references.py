"""Classes to check generated classes against: the same methods, told differently."""

import heapq
import math
import statistics
from collections import Counter, deque


class LastOut:
    """A stack on a deque whose left end is the top."""

    def __init__(self):
        self.line = deque()

    def push(self, item):
        """Put an item on top."""
        self.line.appendleft(item)

    def pop(self):
        """Take the top item."""
        return self.line.popleft()

    def peek(self):
        """The top item."""
        return next(iter(self.line))

    def is_empty(self):
        """Whether there is nothing on it."""
        return not self.line

    def size(self):
        """Items on it."""
        return len(self.line)


class FirstOut:
    """A queue on a deque."""

    def __init__(self):
        self.line = deque()

    def enqueue(self, item):
        """Put an item at the end."""
        self.line.append(item)

    def dequeue(self):
        """Take the item at the front."""
        return self.line.popleft()

    def is_empty(self):
        """Whether nobody waits."""
        return not self.line

    def size(self):
        """Items that wait."""
        return len(self.line)


class Lowest(LastOut):
    """A stack that knows its smallest item."""

    def minimum(self):
        """The smallest item on it."""
        return min(self.line)


class Heap:
    """A priority queue on a heap."""

    def __init__(self):
        self.heap = []

    def push(self, item):
        """Put an item in."""
        heapq.heappush(self.heap, item)

    def pop(self):
        """Take the smallest item."""
        return heapq.heappop(self.heap)

    def is_empty(self):
        """Whether there is nothing in it."""
        return not self.heap


class Clicks:
    """A counter that remembers its clicks."""

    def __init__(self):
        self.clicks = []

    def increment(self):
        """One more."""
        self.clicks.append(1)

    def decrement(self):
        """One less."""
        self.clicks.append(-1)

    def reset(self):
        """Back to zero."""
        self.clicks.clear()

    def value(self):
        """What it shows."""
        return sum(self.clicks)


class Purse:
    """An account that remembers what was paid."""

    def __init__(self, balance):
        self.paid = [balance]

    def deposit(self, amount):
        """Pay in."""
        self.paid.append(amount)

    def withdraw(self, amount):
        """Take out and return True, or return False and leave it alone."""
        enough = amount <= self.get_balance()
        self.paid += [-amount] * enough
        return enough

    def get_balance(self):
        """What is there."""
        return sum(self.paid)


class Box:
    """A rectangle."""

    def __init__(self, *sides):
        self.sides = sides

    def area(self):
        """Width times height."""
        return math.prod(self.sides)

    def perimeter(self):
        """All four sides."""
        return sum(self.sides * 2)

    def is_square(self):
        """Whether the sides are equal."""
        return len({*self.sides}) == 1


class Plane:
    """A point in the plane, as a complex number."""

    def __init__(self, x, y):
        self.point = complex(x, y)

    def move(self, dx, dy):
        """Go by (dx, dy)."""
        self.point += complex(dx, dy)

    def position(self):
        """(x, y)."""
        return int(self.point.real), int(self.point.imag)

    def distance(self):
        """From the origin."""
        return abs(self.point)


class Lamp:
    """A switch that counts how often it was used."""

    def __init__(self):
        self.uses = 0

    def toggle(self):
        """On if it was off, off if it was on."""
        self.uses += 1

    def is_on(self):
        """Whether it is on."""
        return self.uses % 2 == 1


class Shelf:
    """A store that remembers each thing."""

    def __init__(self):
        self.things = []

    def add(self, item, count):
        """Put `count` of an item in."""
        self.things += [item] * count

    def remove(self, item, count):
        """Take `count` of an item out."""
        for _ in range(count):
            self.things.remove(item)

    def count(self, item):
        """How many of it there are."""
        return Counter(self.things)[item]


class Book:
    """Numbers by name, the last of each name counting."""

    def __init__(self):
        self.entries = []

    def add(self, name, number):
        """Write a number down."""
        self.entries.append((name, number))

    def find(self, name):
        """The number, or None."""
        return dict(self.entries).get(name)

    def size(self):
        """Different names."""
        return len({name for name, _ in self.entries})


class Average:
    """The mean of numbers that come one after the other."""

    def __init__(self):
        self.numbers = []

    def add(self, number):
        """One more number."""
        self.numbers.append(number)

    def mean(self):
        """Of all so far; 0 of none."""
        return float(statistics.mean(self.numbers or [0]))


class Basket(Counter):
    """Prices of what was bought."""

    def add(self, price, count):
        """`count` things at a price each."""
        self[price] += count

    def total(self):
        """What they cost."""
        return sum(self.elements())


class Steps:
    """A text, and the texts it was before."""

    def __init__(self):
        self.texts = [""]

    def write(self, text):
        """Add to the end."""
        self.texts.append(self.texts[-1] + text)

    def undo(self):
        """Take the last addition back, if there is one."""
        self.texts = self.texts[:1] + self.texts[1:-1]

    def read(self):
        """The text."""
        return self.texts[-1]
