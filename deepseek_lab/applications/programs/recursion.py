"""Families of functions that are best told by themselves: recursion, nested lists, and the classics."""

import itertools
import math
from functools import partial
from random import Random

from deepseek_lab.applications.programs.base import Family
from deepseek_lab.applications.programs.inputs import LIST, NUMBER, both

recursion = partial(Family, topic="recursion")
NESTED = ("nested", "items", "lst", "data", "tree")


def nested(rng: Random, depth: int = 3) -> list:
    """Lists in lists, and numbers in them."""
    size = rng.randint(1, 3)
    return [nested(rng, depth - 1) if depth and rng.random() < 0.4 else rng.randint(0, 9) for _ in range(size)]


def numbers_in(text: str) -> list[int]:
    """The one-digit numbers in the text of a nested list."""
    return [int(char) for char in text if char.isdigit()]


def deepest(text: str) -> int:
    """How many brackets are open at most in the text of a nested list."""
    return max(itertools.accumulate({"[": 1, "]": -1}.get(char, 0) for char in text))


nests = (([],), ([1],), ([1, [2]],), ([[1, [2, 3]], 4, []],))

FAMILIES = (
    recursion(
        names="factorial fact compute_factorial",
        signatures=NUMBER,
        wordings="""
            Return the factorial of $a.
            {Compute|Find|Get} the factorial of {$a|a number|a non-negative integer}.
            {Compute|Return} $a!{|, the product of all numbers from 1 to $a}.
            Return the product of {all|the} {numbers|integers} from 1 to $a{|, 1 for 0}.
            Multiply all whole numbers up to $a.
            The number of ways in which $a different things can be ordered.
        """,
        bodies=(
            """
            if $a <= 1:
                return 1
            return $a * $f($a - 1)
            """,
            """
            result = 1
            for i in range(2, $a + 1):
                result *= i
            return result
            """,
        ),
        inputs=lambda rng: (rng.randint(2, 12),),
        reference=math.factorial,
        edges=((0,), (1,), (5,)),
    ),
    recursion(
        names="fibonacci fib nth_fibonacci",
        signatures=NUMBER,
        wordings="""
            Return the {$a-th|nth} Fibonacci number.
            {Compute|Find|Get} the Fibonacci number {$a|with index $a|at position $a}.
            Return the {$a-th|nth} number of the Fibonacci {sequence|series}{|, which starts with 0 and 1}.
            {Compute|Get} the {$a-th|nth} Fibonacci number, {starting from|with} fib(0) = 0{| and fib(1) = 1}.
            In 0, 1, 1, 2, 3, 5 each number is the sum of the two before: which one has index $a?
            The entry with index $a of Fibonacci's series.
        """,
        bodies=(
            """
            if $a < 2:
                return $a
            return $f($a - 1) + $f($a - 2)
            """,
            """
            first, second = 0, 1
            for _ in range($a):
                first, second = second, first + second
            return first
            """,
        ),
        inputs=lambda rng: (rng.randint(3, 15),),
        reference=lambda index: round(((1 + 5**0.5) / 2) ** index / 5**0.5),
        edges=((0,), (1,), (2,), (10,)),
    ),
    recursion(
        names="power raise_to_power exponentiate",
        signatures=("base, exponent", "x, n", "a, b", "base, exp"),
        wordings="""
            Return $a to the power of $b.
            {Compute|Find|Get} $a {to the power|raised to the power} {$b|of $b}{|, which is not negative}.
            Raise $a to the power {$b|of $b}{| without **}.
            Multiply $a with itself $b times{|, starting from 1}.
            The product of $b factors that are all $a.
            What is the $b-th power of $a?
        """,
        bodies=(
            """
            if $b == 0:
                return 1
            return $a * $f($a, $b - 1)
            """,
            """
            result = 1
            for _ in range($b):
                result *= $a
            return result
            """,
        ),
        inputs=lambda rng: (rng.randint(-4, 6), rng.randint(1, 5)),
        reference=pow,
        edges=((5, 0), (0, 3), (2, 10), (-3, 3), (7, 1)),
    ),
    recursion(
        names="flatten flatten_list flatten_nested",
        signatures=NESTED,
        wordings="""
            Flatten {$a|a list|the list $a|a nested list}.
            Return {all items|the items} of the nested list $a {as|in} one flat list.
            Return a flat list of {all|the} {items|numbers} in $a{| and in the lists inside}.
            {Unpack|Take apart|Flatten} {lists inside of $a|the lists in $a}, however deep.
            Put what is in $a and in all lists within it side by side in a single list.
            Get rid of all inner brackets of $a.
        """,
        bodies=(
            """
            result = []
            for item in $a:
                if isinstance(item, list):
                    result.extend($f(item))
                else:
                    result.append(item)
            return result
            """,
        ),
        inputs=lambda rng: (nested(rng),),
        reference=lambda values: numbers_in(str(values)),
        edges=nests,
    ),
    recursion(
        names="sum_nested nested_sum deep_sum",
        signatures=NESTED,
        wordings="""
            Return the sum of {all|the} numbers in the nested list $a.
            {Add|Sum} {up all|all} numbers in $a and in the lists inside.
            {Compute|Get} the {sum|total} of a nested list{|, however deep}.
            Return the {sum|total} of {all|the} numbers in $a, also of those in {inner|nested} lists.
            What do the numbers make together that are anywhere within $a?
            Total up a list whose items are numbers or such lists again.
        """,
        bodies=(
            """
            total = 0
            for item in $a:
                if isinstance(item, list):
                    total += $f(item)
                else:
                    total += item
            return total
            """,
        ),
        inputs=lambda rng: (nested(rng),),
        reference=lambda values: sum(numbers_in(str(values))),
        edges=nests,
    ),
    recursion(
        names="depth nesting_depth max_depth",
        signatures=NESTED,
        wordings="""
            Return {how deep|how deeply} $a is nested{|, 1 for a flat list}.
            {Compute|Find|Get} the {depth|nesting depth} of {$a|a nested list}{|, 1 if it is flat}.
            Return the {greatest|largest} number of lists inside each other in $a{|, itself included}.
            Return the {depth|nesting depth} of a list of numbers and lists{|, 1 for a flat one}.
            How many brackets are open at most in $a?
            The number of levels that the nested list $a has.
        """,
        bodies=(
            """
            if not isinstance($a, list):
                return 0
            return 1 + max([$f(item) for item in $a], default=0)
            """,
        ),
        inputs=lambda rng: (nested(rng),),
        reference=lambda values: deepest(str(values)),
        edges=nests,
        telling=False,
    ),
    recursion(
        names="hanoi hanoi_moves count_hanoi_moves",
        signatures=("n", "count", "k"),
        wordings="""
            Return {how many moves|the number of moves} the tower of Hanoi {takes|needs} with $a discs.
            {Count|Compute} the moves {for|of} a tower of Hanoi {with|of} $a {discs|disks}.
            Return {how many moves|the number of moves} it takes to move $a discs in the tower of Hanoi.
            {Count|Compute} how {often|many times} a disc is moved in {Hanoi|the tower of Hanoi} with $a discs.
            How long does the puzzle of Hanoi take with $a discs, in moves?
            The least number of moves that brings a Hanoi tower of $a discs to another peg.
        """,
        bodies=(
            """
            if $a == 0:
                return 0
            return 2 * $f($a - 1) + 1
            """,
        ),
        inputs=lambda rng: (rng.randint(2, 20),),
        reference=lambda discs: 2**discs - 1,
        edges=((0,), (1,), (3,)),
        telling=False,
    ),
    recursion(
        names="to_binary binary_string int_to_binary",
        signatures=NUMBER,
        wordings="""
            Return the binary {digits|representation} of $a{| as a string}.
            {Convert|Turn} {$a|a non-negative integer} {to|into} {binary|a binary string}.
            Return $a {written in binary|in base 2} as a string.
            {Write|Spell} {$a|the number $a} {in binary|in base 2|with zeros and ones}, as a string.
            The zeros and ones of $a in the binary system.
            Change a decimal number to a string of bits.
        """,
        bodies=(
            """
            if $a < 2:
                return str($a)
            return $f($a // 2) + str($a % 2)
            """,
            "return bin($a)[2:]",
        ),
        inputs=lambda rng: (rng.randint(2, 300),),
        reference=lambda value: f"{value:b}",
        edges=((0,), (1,), (2,), (10,)),
    ),
    recursion(
        names="permutations all_permutations permute",
        signatures=LIST,
        wordings="""
            Return all permutations of $a{| as lists|, as a list of lists}.
            {List|Find|Get} all {orders|permutations} of {the items of $a|$a}.
            Return {a list of all|all} the orders {that|in which} the items of $a can {have|be put}.
            Return {every|each} {ordering|permutation} of $a{|, those with its first item in front first}.
            In which orders can the items of $a stand? List them all.
            All the ways to arrange a list.
        """,
        bodies=(
            """
            if not $a:
                return [[]]
            result = []
            for i in range(len($a)):
                for rest in $f($a[:i] + $a[i + 1:]):
                    result.append([$a[i]] + rest)
            return result
            """,
        ),
        inputs=lambda rng: (rng.sample(range(9), rng.randint(2, 3)),),
        reference=lambda values: list(map(list, itertools.permutations(values))),
        edges=(([],), ([1],), ([1, 2],)),
    ),
    recursion(
        names="subsets powerset all_subsets",
        signatures=LIST,
        wordings="""
            Return all subsets of $a{| as lists|, as a list of lists}.
            {List|Find|Get} {all subsets|the power set|every subset} of $a{|, those without its first item first}.
            Return the power set of {$a|a list|the items in $a}.
            Return {a list of all|all} {choices|selections} of items of $a, {the empty one too|with the empty one}.
            What can be picked out of $a? List each choice, nothing and all included.
            Every list that arises when any items of $a are left out.
        """,
        bodies=(
            """
            if not $a:
                return [[]]
            rest = $f($a[1:])
            return rest + [[$a[0]] + part for part in rest]
            """,
        ),
        inputs=lambda rng: (rng.sample(range(9), rng.randint(2, 3)),),
        reference=lambda values: [
            list(itertools.compress(values, chosen)) for chosen in itertools.product((0, 1), repeat=len(values))
        ],
        edges=(([],), ([1],), ([1, 2],)),
    ),
    recursion(
        names="pascal_row pascal_triangle_row row_of_pascal",
        signatures=NUMBER,
        wordings="""
            Return {row $a|the $a-th row} of Pascal's triangle{|, where row 0 is [1]}.
            {Compute|Get} {row $a|the row with number $a} of Pascal's triangle{|, counted from 0}.
            Return a list with {row|line} $a of Pascal's triangle{|, where row 0 is [1]}.
            Build {row|line} {$a|number $a} of Pascal's triangle from the one {above|before}{| it}.
            The line of Pascal's triangle that comes after $a others.
            What are the binomial coefficients of $a, in a list?
        """,
        bodies=(
            """
            if $a == 0:
                return [1]
            above = $f($a - 1)
            return [1] + [above[i] + above[i + 1] for i in range($a - 1)] + [1]
            """,
        ),
        inputs=lambda rng: (rng.randint(2, 8),),
        reference=lambda row: [math.comb(row, column) for column in range(row + 1)],
        edges=((0,), (1,), (4,)),
        telling=False,
    ),
    recursion(
        names="digital_root repeated_digit_sum digit_root",
        signatures=NUMBER,
        wordings="""
            Return the digital root of $a.
            {Compute|Find|Get} the digital root of {$a|a number|a non-negative integer}.
            {Add|Sum} the digits of $a {again and again|repeatedly} until {one digit is left|it has one digit}.
            Replace $a by the sum of its digits until it {is below 10|has one digit}, and return it.
            Take the digit sum of the digit sum of $a, and so on, down to a single digit.
            Which digit remains if the digits of $a are added up over and over?
        """,
        bodies=(
            """
            if $a < 10:
                return $a
            return $f(sum(int(digit) for digit in str($a)))
            """,
            """
            while $a >= 10:
                $a = sum(int(digit) for digit in str($a))
            return $a
            """,
        ),
        inputs=lambda rng: (rng.randint(10, 9999),),
        reference=lambda value: 1 + (value - 1) % 9 if value else 0,
        edges=((0,), (9,), (10,), (99,)),
    ),
    recursion(
        names="climb_stairs count_climbs stair_ways",
        signatures=NUMBER,
        wordings="""
            Return {in how many ways|the number of ways in which} $a stairs can be climbed, 1 or 2 at a time.
            {Count|Compute} the ways to climb $a {stairs|steps}, {one or two|1 or 2} at a time.
            Return how many {ways|orders} of {ones and twos|1 and 2} {add up|sum} to $a.
            {Count|Compute} in how many ways $a is a sum of ones and twos{|, order counts}.
            How many ways lead up $a stairs if each step takes one or two of them?
            The number of sequences of single and double steps that make up $a.
        """,
        bodies=(
            """
            if $a <= 1:
                return 1
            return $f($a - 1) + $f($a - 2)
            """,
        ),
        inputs=lambda rng: (rng.randint(2, 12),),
        reference=lambda stairs: sum(math.comb(stairs - twos, twos) for twos in range(stairs // 2 + 1)),
        edges=((0,), (1,), (2,), (4,)),
        telling=False,
    ),
    recursion(
        names="combinations choose all_combinations",
        signatures=both(LIST, ("k", "size")),
        wordings="""
            Return all combinations of $b items of $a, as lists in the order of $a.
            List all the ways to choose $b items of $a, in order.
            Return every choice of $b items from the list $a, those with its first item first.
            Find all lists of $b items that can be picked from $a without changing the order.
            Which selections of size $b does $a allow? List each.
            Every sublist of $a that has $b items.
        """,
        bodies=(
            """
            if $b == 0:
                return [[]]
            if not $a:
                return []
            chosen = [[$a[0]] + rest for rest in $f($a[1:], $b - 1)]
            return chosen + $f($a[1:], $b)
            """,
        ),
        inputs=lambda rng: (rng.sample(range(9), rng.randint(2, 4)), rng.randint(1, 3)),
        reference=lambda values, size: list(map(list, itertools.combinations(values, size))),
        edges=(([], 0), ([1], 1), ([1, 2, 3], 2), ([1], 2)),
        telling=False,
    ),
)
