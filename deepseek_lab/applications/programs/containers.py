"""Families of small classes that hold things."""

from functools import partial
from random import Random

from deepseek_lab.applications.programs.base import ClassFamily
from deepseek_lab.applications.programs.references import Basket, Book, FirstOut, Heap, LastOut, Lowest, Shelf

containers = partial(ClassFamily, topic="classes")


def fill_and_empty(push: str, pop: str, *questions: str):
    """Calls that put numbers in and take some out again, and after each ask something."""

    def draw(rng: Random) -> tuple:
        calls, size = [], 0
        for _ in range(rng.randint(2, 5)):
            if size and rng.random() < 0.4:
                calls.append((pop,))
                size -= 1
            else:
                calls.append((push, rng.randint(0, 9)))
                size += 1
        asked = [(question,) for question in questions if size or question in ("is_empty", "size")]
        return (), *calls, *rng.sample(asked, min(2, len(asked)))

    return draw


FAMILIES = (
    containers(
        names="Stack LifoStack SimpleStack",
        wordings="""
            A stack with {the methods |}push, pop, peek, is_empty and size.
            A {last-in, first-out|last in, first out} stack: push, pop, peek, is_empty, size.
            A {simple|small} stack {on|made of} a list{|, with push, pop, peek, is_empty and size}.
            {Holds|Keeps} items; pop and peek give the {newest|last} one. Also push, is_empty, size.
            Items go on with push and come off the top with pop. Has peek, is_empty and size too.
            What push put in last, pop takes out first; with peek, is_empty and size.
        """,
        bodies=(
            """
            def __init__(self):
                self.items = []

            def push(self, item):
                self.items.append(item)

            def pop(self):
                return self.items.pop()

            def peek(self):
                return self.items[-1]

            def is_empty(self):
                return len(self.items) == 0

            def size(self):
                return len(self.items)
            """,
        ),
        inputs=fill_and_empty("push", "pop", "peek", "is_empty", "size"),
        reference=LastOut,
        edges=(((), ("is_empty",), ("size",)), ((), ("push", 1), ("push", 2), ("peek",), ("pop",), ("pop",))),
    ),
    containers(
        names="Queue FifoQueue SimpleQueue",
        wordings="""
            A queue with {the methods |}enqueue, dequeue, is_empty and size.
            A {first-in, first-out|first in, first out} queue: enqueue, dequeue, is_empty, size.
            A {simple|small} queue {on|made of} a list{|, with enqueue, dequeue, is_empty and size}.
            {Holds|Keeps} items; dequeue gives the {oldest|first} one. Also enqueue, is_empty, size.
            Items get in line with enqueue and leave its front with dequeue. Has is_empty and size too.
            What enqueue put in first, dequeue takes out first; with is_empty and size.
        """,
        bodies=(
            """
            def __init__(self):
                self.items = []

            def enqueue(self, item):
                self.items.append(item)

            def dequeue(self):
                return self.items.pop(0)

            def is_empty(self):
                return len(self.items) == 0

            def size(self):
                return len(self.items)
            """,
        ),
        inputs=fill_and_empty("enqueue", "dequeue", "is_empty", "size"),
        reference=FirstOut,
        edges=(((), ("is_empty",), ("size",)), ((), ("enqueue", 1), ("enqueue", 2), ("dequeue",), ("size",))),
    ),
    containers(
        names="PriorityQueue MinQueue SmallestFirst",
        wordings="""
            A priority queue with {the methods |}push, pop and is_empty{|; pop takes the smallest item}.
            A {simple|small} priority queue {on|made of} a list{|: push, pop, is_empty}.
            {Holds|Keeps} items; pop removes and returns the {smallest|least}. Also push and is_empty.
            A queue {from|out of} which pop takes the {smallest|least} item{| first}. Also push and is_empty.
            Items go in with push and come out by size with pop, small ones first. Has is_empty too.
            Whatever order push gets, pop returns the minimum; with is_empty.
        """,
        bodies=(
            """
            def __init__(self):
                self.items = []

            def push(self, item):
                self.items.append(item)

            def pop(self):
                smallest = min(self.items)
                self.items.remove(smallest)
                return smallest

            def is_empty(self):
                return len(self.items) == 0
            """,
        ),
        inputs=fill_and_empty("push", "pop", "is_empty"),
        reference=Heap,
        edges=(((), ("is_empty",)), ((), ("push", 2), ("push", 1), ("push", 3), ("pop",), ("pop",), ("pop",))),
    ),
    containers(
        names="Inventory Store Warehouse",
        wordings="""
            An inventory with {the methods |}add(item, amount), remove(item, amount) and count(item).
            {Holds|Keeps} how many there are of each item: add, remove (both with an amount) and count.
            A store of items: add and remove {take|have} an item and an amount, count {tells|returns} how many.
            {Tracks|Keeps track of} stock: add(item, amount), remove(item, amount), count(item){|, 0 if unknown}.
            How much of what is there: add more of an item, remove some, count it.
            Goods by name; count is what add brought less what remove took.
        """,
        bodies=(
            """
            def __init__(self):
                self.stock = {}

            def add(self, item, amount):
                self.stock[item] = self.stock.get(item, 0) + amount

            def remove(self, item, amount):
                self.stock[item] -= amount

            def count(self, item):
                return self.stock.get(item, 0)
            """,
        ),
        inputs=lambda rng: (
            (),
            ("add", "tea", rng.randint(3, 9)),
            ("add", rng.choice(["tea", "egg"]), rng.randint(3, 9)),
            ("remove", "tea", rng.randint(1, 3)),
            ("count", rng.choice(["tea", "egg"])),
        ),
        reference=Shelf,
        edges=(((), ("count", "tea")), ((), ("add", "egg", 2), ("add", "egg", 3), ("count", "egg"))),
        telling=False,
    ),
    containers(
        names="PhoneBook AddressBook Directory",
        wordings="""
            A phone book with {the methods |}add(name, number), find(name) and size.
            {Holds|Keeps} numbers by name: add, find (None if {unknown|absent}) and size.
            A book of {names and numbers|phone numbers}: add(name, number), find(name), size.
            {Maps|Links} names to numbers with add; find {looks one up|returns a number} or None, size counts them.
            Write numbers down with add, look them up with find, which may give None; size says how many.
            Who has which number: add it, find it again or None; with size.
        """,
        bodies=(
            """
            def __init__(self):
                self.numbers = {}

            def add(self, name, number):
                self.numbers[name] = number

            def find(self, name):
                return self.numbers.get(name)

            def size(self):
                return len(self.numbers)
            """,
        ),
        inputs=lambda rng: (
            (),
            *(("add", rng.choice(["Anna", "Bob"]), rng.randint(100, 999)) for _ in range(2)),
            ("add", "Tom", rng.randint(100, 999)),
            ("find", "Tom"),
            ("size",),
        ),
        reference=Book,
        edges=(((), ("size",)), ((), ("add", "Bob", 1), ("add", "Bob", 2), ("find", "Bob"), ("size",))),
        telling=False,
    ),
    containers(
        names="ShoppingCart Cart Basket",
        wordings="""
            A shopping cart with {the methods |}add(price, count) and total.
            {Holds|Keeps} what is bought: add(price, count), total.
            A cart: add {takes|has} a price and a count, total {returns|gives} what all costs.
            {Adds|Sums} up prices: add(price, count) puts something in, total {returns|gives} the sum.
            What a purchase costs: add things with their price and number, then ask for the total.
            Put so many things of one price in with add; total is the bill.
        """,
        bodies=(
            """
            def __init__(self):
                self.sum = 0

            def add(self, price, count):
                self.sum += price * count

            def total(self):
                return self.sum
            """,
        ),
        inputs=lambda rng: (
            (),
            *(("add", rng.randint(1, 20), rng.randint(1, 5)) for _ in range(rng.randint(1, 3))),
            ("total",),
        ),
        reference=Basket,
        edges=(((), ("total",)), ((), ("add", 3, 2), ("total",), ("add", 1, 1), ("total",))),
        telling=False,
    ),
    containers(
        names="MinStack StackWithMinimum SmallestStack",
        wordings="""
            A stack with the methods push, pop, peek and minimum.
            A last-in, first-out stack that knows its smallest item: push, pop, peek, minimum.
            A stack made of a list, with push, pop, peek and minimum, the smallest item on it.
            Keeps items; pop and peek give the newest one, minimum the smallest. Also push.
            Items go on with push and come off the top with pop; peek at it, or ask for the minimum.
            What push put in last, pop takes out first; with peek and minimum.
        """,
        bodies=(
            """
            def __init__(self):
                self.items = []

            def push(self, item):
                self.items.append(item)

            def pop(self):
                return self.items.pop()

            def peek(self):
                return self.items[-1]

            def minimum(self):
                return min(self.items)
            """,
        ),
        inputs=fill_and_empty("push", "pop", "peek", "minimum"),
        reference=Lowest,
        edges=(((), ("push", 1), ("push", 2), ("minimum",), ("peek",), ("pop",), ("minimum",)),),
        telling=False,
    ),
)
