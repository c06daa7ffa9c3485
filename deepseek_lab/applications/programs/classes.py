"""Families of small classes with a state."""

from functools import partial

from deepseek_lab.applications.programs.base import ClassFamily
from deepseek_lab.applications.programs.references import Average, Box, Clicks, Lamp, Plane, Purse

classes = partial(ClassFamily, topic="classes")


def numbers_given(method: str, question: str, low: int = -9):
    """Calls of one method with numbers, then of another without."""
    return lambda rng: ((), *((method, rng.randint(low, 9)) for _ in range(rng.randint(2, 4))), (question,))


FAMILIES = (
    classes(
        names="ClickCounter TallyCounter StepCounter",
        wordings="""
            A counter with {the methods |}increment, decrement, reset and value.
            A counter that starts {at|from} {0|zero}: increment, decrement, reset, value.
            {Counts|A counter that counts} up with increment and down with decrement. Also reset and value.
            {Holds|Keeps} a count{| from zero on}: increment, decrement, reset; value {returns|gives} it.
            Goes up by one with increment, down with decrement, to zero with reset; value tells where it is.
            Counts what happens: increment, decrement and reset change what value returns.
        """,
        bodies=(
            """
            def __init__(self):
                self.count = 0

            def increment(self):
                self.count += 1

            def decrement(self):
                self.count -= 1

            def reset(self):
                self.count = 0

            def value(self):
                return self.count
            """,
        ),
        inputs=lambda rng: (
            (),
            *((name,) for name in rng.choices(["increment", "increment", "decrement", "reset"], k=4)),
            ("value",),
            ("increment",),
            ("value",),
        ),
        reference=Clicks,
        edges=(((), ("value",)), ((), ("increment",), ("value",), ("reset",), ("decrement",), ("value",))),
        telling=False,
    ),
    classes(
        names="BankAccount Account SavingsAccount",
        signatures=("balance", "amount", "start"),
        wordings="""
            A bank account with {the methods |}deposit, withdraw and get_balance.
            An account{| that starts with a balance}: deposit, withdraw (False if there is too little), get_balance.
            A bank account; withdraw returns whether there was enough. Also {deposit and|deposit,} get_balance.
            {Holds|Keeps} money: deposit, withdraw (True if it {worked|was possible}, else False) and get_balance.
            Money goes in with deposit and out with withdraw, which returns False if short of it; get_balance tells it.
            An account never below zero: withdraw says if it could, next to deposit and get_balance.
        """,
        bodies=(
            """
            def __init__(self, $a):
                self.balance = $a

            def deposit(self, money):
                self.balance += money

            def withdraw(self, money):
                if money > self.balance:
                    return False
                self.balance -= money
                return True

            def get_balance(self):
                return self.balance
            """,
        ),
        inputs=lambda rng: (
            (rng.randint(0, 50),),
            *((rng.choice(["deposit", "withdraw"]), rng.randint(1, 40)) for _ in range(3)),
            ("get_balance",),
        ),
        reference=Purse,
        edges=(
            ((5,), ("get_balance",)),
            ((0,), ("withdraw", 1), ("deposit", 2), ("get_balance",)),
            ((9,), ("withdraw", 9), ("get_balance",)),
        ),
        telling=False,
    ),
    classes(
        names="Rectangle Rect Oblong",
        signatures=("width, height", "w, h", "a, b", "length, width"),
        wordings="""
            A rectangle with {the methods |}area, perimeter and is_square.
            A rectangle {of|made from} a width and a height: area, perimeter, is_square.
            {Computes|Knows} the area, the perimeter and is_square of a rectangle{| with two sides}.
            A {shape|figure} with {two sides|a width and a height}; has area, perimeter and is_square.
            Takes two sides; area, perimeter and is_square tell about the rectangle they make.
            Four right angles: area and perimeter from two lengths, and is_square.
        """,
        bodies=(
            """
            def __init__(self, $a, $b):
                self.$a = $a
                self.$b = $b

            def area(self):
                return self.$a * self.$b

            def perimeter(self):
                return 2 * (self.$a + self.$b)

            def is_square(self):
                return self.$a == self.$b
            """,
        ),
        inputs=lambda rng: (
            (rng.randint(1, 9), rng.randint(1, 9)),
            *rng.sample([("area",), ("perimeter",), ("is_square",)], 2),
        ),
        reference=Box,
        edges=(((2, 3), ("area",), ("perimeter",)), ((4, 4), ("is_square",)), ((4, 5), ("is_square",))),
        telling=False,
    ),
    classes(
        names="Point Point2D Vector2D",
        signatures=("x, y", "a, b", "left, top"),
        wordings="""
            A point in the plane with {the methods |}move, position and distance (from the origin).
            A point {of|with} two coordinates: move by (dx, dy), position, distance {from|to} the origin.
            {Holds|Keeps} two coordinates: move, position (a tuple) and distance {from|to} (0, 0).
            A {point|place} in the plane; move changes it, position and distance {from the origin |}tell about it.
            Starts at two coordinates, goes on with move; position is a tuple, distance that from the origin.
            Where one is in the plane: position and distance from zero, which move changes.
        """,
        bodies=(
            """
            def __init__(self, $a, $b):
                self.$a = $a
                self.$b = $b

            def move(self, dx, dy):
                self.$a += dx
                self.$b += dy

            def position(self):
                return self.$a, self.$b

            def distance(self):
                return (self.$a ** 2 + self.$b ** 2) ** 0.5
            """,
        ),
        inputs=lambda rng: (
            (rng.randint(-9, 9), rng.randint(-9, 9)),
            ("move", rng.randint(-9, 9), rng.randint(-9, 9)),
            rng.choice([("position",), ("distance",)]),
        ),
        reference=Plane,
        edges=(((3, 4), ("distance",)), ((1, 2), ("position",)), ((0, 0), ("move", 1, -2), ("position",))),
        telling=False,
    ),
    classes(
        names="Switch LightSwitch Toggle",
        wordings="""
            A switch with {the methods |}toggle and is_on.
            A {light switch|switch} that is off {at first|to begin with}: toggle, is_on.
            {Holds|Keeps} whether something is on: toggle {changes|flips} it, is_on tells it.
            Off at first; toggle turns it on {and off|or off}, is_on {returns|tells} which.
            Every toggle changes what is_on returns, which is False to begin with.
            A lamp's button: toggle presses it, is_on says if there is light.
        """,
        bodies=(
            """
            def __init__(self):
                self.on = False

            def toggle(self):
                self.on = not self.on

            def is_on(self):
                return self.on
            """,
        ),
        inputs=lambda rng: ((), *[("toggle",)] * rng.randint(1, 5), ("is_on",)),
        reference=Lamp,
        edges=(((), ("is_on",)), ((), ("toggle",), ("is_on",), ("toggle",), ("is_on",))),
        telling=False,
    ),
    classes(
        names="RunningAverage RunningMean Averager",
        wordings="""
            A running average with the methods add(number) and mean.
            Keeps the average of numbers: add one, and mean returns it, 0 if there are none.
            Adds up numbers: add(number) takes one in, mean returns their average or 0.
            Averages what it is given: add(number), and mean, which is 0 to begin with.
            The mean of all that add was given, or 0; ask for it with mean.
            Numbers come in with add; mean is their sum divided by how many they are, 0 without any.
        """,
        bodies=(
            """
            def __init__(self):
                self.sum = 0
                self.count = 0

            def add(self, number):
                self.sum += number
                self.count += 1

            def mean(self):
                if self.count == 0:
                    return 0
                return self.sum / self.count
            """,
        ),
        inputs=numbers_given("add", "mean"),
        reference=Average,
        edges=(((), ("mean",)), ((), ("add", 3), ("mean",), ("add", 4), ("mean",))),
        telling=False,
    ),
)
