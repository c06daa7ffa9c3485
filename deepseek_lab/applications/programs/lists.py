"""Families of functions that make something of a list."""

import itertools
import math
import statistics
from functools import partial
from random import Random

from deepseek_lab.applications.programs.base import Family
from deepseek_lab.applications.programs.inputs import LIST, both, integers

lists = partial(Family, topic="lists")
small = (([],), ([1],), ([2, 3, 2, -1],))


def two_lists(rng: Random) -> tuple:
    """Two lists of the same length."""
    first = integers(rng, 1, 5)
    return first, [rng.randint(-9, 9) for _ in first]


def longest_rise(values: list[int]) -> int:
    """The size of the longest slice that is sorted and has nothing twice."""
    slices = (values[i:j] for j in range(len(values) + 1) for i in range(j))
    return max((len(part) for part in slices if part == sorted(set(part))), default=0)


FAMILIES = (
    lists(
        names="sum_list add_up sum_items add_all",
        signatures=LIST,
        wordings="""
            Return the sum of {$a|the numbers in $a|all numbers in $a}.
            {Add|Sum} {up all|all the|up the} {numbers|items} {in|of} $a.
            {Compute|Find|Get} the {sum|total} of {a list|the numbers in a list|$a}.
            Return the total of {all items|the numbers} {in|of} $a, 0 if {it is empty|there are none}.
            What do all the numbers of $a make together?
            Put the entries of $a together with + and give the result.
        """,
        bodies=(
            """
            total = 0
            for item in $a:
                total += item
            return total
            """,
            "return sum($a)",
        ),
        inputs=lambda rng: (integers(rng, 2),),
        reference=sum,
        edges=small,
    ),
    lists(
        names="product multiply_all product_of_list",
        signatures=LIST,
        wordings="""
            Return the product of {$a|the numbers in $a|all numbers in $a}.
            Multiply {all|all the|the} {numbers|items} {in|of} $a.
            {Compute|Find|Get} the product of {a list|the numbers in a list|$a}.
            Return the product of {all items|the numbers} {in|of} $a, 1 if {it is empty|there are none}.
            What do all the numbers of $a give when multiplied with each other?
            Put the entries of $a together with * and give the result.
        """,
        bodies=(
            """
            result = 1
            for item in $a:
                result *= item
            return result
            """,
        ),
        inputs=lambda rng: (integers(rng, 2, 5, 1, 9),),
        reference=math.prod,
        edges=small,
    ),
    lists(
        names="average mean arithmetic_mean",
        signatures=LIST,
        wordings="""
            Return the {average|mean|arithmetic mean} of {$a|the numbers in $a|all numbers in $a}.
            {Compute|Find|Get} the {average|mean|arithmetic mean} of {a list|$a|the numbers in a list}.
            Return the sum of $a divided by {its length|the number of items}.
            {Compute|Get} {what the numbers in $a are on average|the average item of $a}.
            How large are the entries of $a on average?
            Add all of $a up and divide by how many there are.
        """,
        bodies=("return sum($a) / len($a)",),
        inputs=lambda rng: (integers(rng, 2),),
        reference=lambda values: float(statistics.mean(values)),
        edges=(([1],), ([1, 2],), ([-1, 4, 3],)),
    ),
    lists(
        names="median find_median middle_value",
        signatures=LIST,
        wordings="""
            Return the median of {$a|the numbers in $a|all numbers in $a}.
            {Compute|Find|Get} the median of {a list|$a|the numbers in a list}.
            Return the middle {number|item} of $a when sorted, or the mean of the middle two.
            {Sort|Order} $a and return {its|the} {middle|median}{|, the mean of two if there are two}.
            Half of the numbers in $a are below it and half above: the median.
            The value in the middle of $a after sorting, or the average of the two in the middle.
        """,
        bodies=(
            """
            ordered = sorted($a)
            middle = len(ordered) // 2
            if len(ordered) % 2 == 1:
                return ordered[middle]
            return (ordered[middle - 1] + ordered[middle]) / 2
            """,
        ),
        inputs=lambda rng: (integers(rng, 2),),
        reference=statistics.median,
        edges=(([1],), ([3, 1, 2],), ([4, 1, 3, 2],), ([5, 1, 4, 2, 3],)),
    ),
    lists(
        names="reverse_list reverse_items reversed_copy",
        signatures=LIST,
        wordings="""
            {Reverse|Turn around} {a list|the list $a}.
            Return {the list $a|a copy of $a} {reversed|backwards|in reverse|from back to front}.
            Return {a list with |}the items of $a in {reverse|reversed|the opposite} order.
            Return a list that has the last item of $a first{| and the first last}.
            The items of $a from the last to the first.
            Turn the order of a list the other way round.
        """,
        bodies=(
            "return $a[::-1]",
            """
            result = []
            for item in $a:
                result.insert(0, item)
            return result
            """,
        ),
        inputs=lambda rng: (integers(rng, 2),),
        reference=lambda values: list(reversed(values)),
        edges=small,
    ),
    lists(
        names="remove_duplicates unique dedupe",
        signatures=LIST,
        wordings="""
            {Remove|Drop} {the duplicates|duplicates} from $a{| and keep the order|, in order}.
            Return {the items of $a|$a} without {the duplicates|duplicates|repetitions}{|, in order}.
            Return the {unique|distinct|different} items of $a in {order|the order in which they first appear}.
            Return {a list with |}each item of $a {once|only once}{|, in order}.
            Keep only the first of equal items in $a.
            What is in $a, but nothing twice and in the same order.
        """,
        bodies=(
            """
            result = []
            for item in $a:
                if item not in result:
                    result.append(item)
            return result
            """,
            "return list(dict.fromkeys($a))",
        ),
        inputs=lambda rng: (integers(rng, 3, 8, 0, 4),),
        reference=lambda values: [v for i, v in enumerate(values) if v not in values[:i]],
        edges=(([],), ([1],), ([2, 2],), ([3, 1, 3, 2, 1],)),
    ),
    lists(
        names="filter_even even_numbers keep_even",
        signatures=LIST,
        wordings="""
            Return the even {numbers|items} {of|in} $a.
            {Keep|Return} only the even {numbers|items} {of|in} $a.
            {Filter|Pick|Select} the even {numbers|items} {from|out of} $a.
            Return a list of {the|all} {numbers|items} in $a that {are even|can be divided by two}.
            Leave out whatever is odd in $a.
            Which entries of $a are multiples of two? Give them as a list.
        """,
        bodies=("return [item for item in $a if item % 2 == 0]",),
        inputs=lambda rng: (integers(rng, 2),),
        reference=lambda values: [value for value in values if not value & 1],
        edges=small,
    ),
    lists(
        names="filter_positive positive_numbers keep_positive",
        signatures=LIST,
        wordings="""
            Return the positive {numbers|items} {of|in} $a.
            {Keep|Return} only the positive {numbers|items} {of|in} $a.
            {Filter|Pick|Select} the positive {numbers|items} {from|out of} $a.
            Return a list of {the|all} {numbers|items} in $a that are {positive|greater than zero|above zero}.
            Leave out whatever is negative or zero in $a.
            Which entries of $a are more than zero? Give them as a list.
        """,
        bodies=("return [item for item in $a if item > 0]",),
        inputs=lambda rng: (integers(rng, 2),),
        reference=lambda values: list(filter((0).__lt__, values)),
        edges=(([],), ([1],), ([0],), ([2, 0, 1, -1],)),
    ),
    lists(
        names="square_all squares square_list",
        signatures=LIST,
        wordings="""
            Return the squares of {$a|the numbers in $a|all numbers in $a}.
            Square {each|every} {number|item} {of|in} $a.
            Return a list {of|with} the {squares|squared numbers} of $a.
            Return $a with {each|every} {number|item} {squared|multiplied by itself}.
            Multiply all entries of $a with themselves.
            The second power of each of the numbers in $a, in a list.
        """,
        bodies=("return [item * item for item in $a]", "return [item ** 2 for item in $a]"),
        inputs=lambda rng: (integers(rng, 2),),
        reference=lambda values: [pow(value, 2) for value in values],
        edges=small,
    ),
    lists(
        names="running_sum cumulative_sum prefix_sums",
        signatures=LIST,
        wordings="""
            Return the {running|cumulative} {sum|sums} of $a.
            {Compute|Get} the {running|cumulative} {sum|total} of {a list|$a}.
            Return a list {of|with} the sums of the first one, two, three and so on of $a.
            Replace each {number|item} {of|in} $a by the sum of {it|that one} and all before it.
            The i-th number of the result is the sum of $a up to the i-th.
            Add $a up step by step and give every sum on the way.
        """,
        bodies=(
            """
            total = 0
            result = []
            for item in $a:
                total += item
                result.append(total)
            return result
            """,
        ),
        inputs=lambda rng: (integers(rng, 2),),
        reference=lambda values: list(itertools.accumulate(values)),
        edges=small,
    ),
    lists(
        names="chunk split_into_chunks chunks",
        signatures=both(LIST, ("size", "length")),
        wordings="""
            {Split|Cut|Divide} $a into {chunks|parts|lists} of {size|length} $b.
            Return {a list of |}{chunks|parts|slices} of $a with $b items each, {the last maybe shorter|in order}.
            {Split|Cut|Divide} {a list|$a} into lists of $b items{|, of which the last may be shorter}.
            Return $a {cut|split|divided} into {chunks|pieces} of $b items{| each}.
            Group always $b consecutive items of $a, in a list of lists.
            Break $a up after each $b items.
        """,
        bodies=(
            "return [$a[i:i + $b] for i in range(0, len($a), $b)]",
            """
            result = []
            for i in range(0, len($a), $b):
                result.append($a[i:i + $b])
            return result
            """,
        ),
        inputs=lambda rng: (integers(rng, 2), rng.randint(1, 4)),
        reference=lambda values, size: [values[i:][:size] for i in range(len(values)) if i % size == 0],
        edges=(([], 2), ([1], 3), ([1, 2, 3, 4, 5], 2), ([1, 2, 3, 4], 2)),
        telling=False,
    ),
    lists(
        names="rotate_left rotate rotate_list",
        signatures=both(LIST, ("k", "steps", "shift")),
        wordings="""
            {Rotate|Shift|Turn} $a to the left by $b {places|positions|steps}{|, round and round}.
            Return $a rotated {left|to the left} by $b{| places}.
            Move the first $b items of $a to {the|its} end.
            Return {a list|$a} with its first $b items {put|moved} {to the end|behind the others}.
            Let $a start at its item $b, and put what came before behind it.
            The items of $a from position $b on, followed by those before.
        """,
        bodies=("return $a[$b:] + $a[:$b]",),
        inputs=lambda rng: (integers(rng, 3), rng.randint(0, 3)),
        reference=lambda values, steps: [values[(i + steps) % len(values)] for i in range(len(values))],
        edges=(([], 0), ([1], 0), ([1, 2, 3, 4], 1), ([1, 2, 3], 2)),
        telling=False,
    ),
    lists(
        names="dot_product dot inner_product",
        signatures=("a, b", "u, v", "first, second", "xs, ys"),
        wordings="""
            Return the {dot|inner|scalar} product of $a and $b.
            {Compute|Find|Get} the {dot|inner|scalar} product of two {lists|vectors}.
            {Compute|Get} the sum of the products of the items of $a and $b.
            Multiply $a and $b item by item and return the sum{| of the products}.
            What do the products of corresponding numbers in $a and $b add up to?
            The sum over i of the i-th number of $a times the i-th of $b.
        """,
        bodies=(
            "return sum(one * other for one, other in zip($a, $b))",
            """
            total = 0
            for i in range(len($a)):
                total += $a[i] * $b[i]
            return total
            """,
        ),
        inputs=two_lists,
        reference=lambda first, second: sum(map(int.__mul__, first, second)),
        edges=(([], []), ([1], [2]), ([1, 2], [3, 4])),
    ),
    lists(
        names="transpose transpose_matrix swap_rows_and_columns",
        signatures=("matrix", "rows", "grid", "m"),
        wordings="""
            Transpose {$a|a matrix|the matrix $a}.
            Return the transpose of {$a|a matrix|the list of rows $a}.
            {Swap|Exchange} the rows and columns of $a.
            Return $a with its rows as columns{| and its columns as rows}.
            Mirror a matrix at its diagonal.
            The columns of $a, each as a list.
        """,
        bodies=(
            "return [list(row) for row in zip(*$a)]",
            "return [[row[i] for row in $a] for i in range(len($a[0]))]",
        ),
        inputs=lambda rng: ([[rng.randint(0, 9) for _ in range(3)] for _ in range(rng.randint(1, 4))],),
        reference=lambda rows: [[rows[i][j] for i in range(len(rows))] for j in range(len(rows[0]))],
        edges=(([[1]],), ([[1, 2]],), ([[1], [2]],), ([[1, 2], [3, 4]],)),
    ),
    lists(
        names="intersection common_items items_in_both",
        signatures=("a, b", "first, second", "xs, ys", "left, right"),
        wordings="""
            Return the items of $a that are {in $b too|also in $b}{|, in order}.
            {Find|Get} the items that $a and $b {share|have in common}{|, in the order of $a}.
            Return the intersection of {two lists|$a and $b}{|, in the order of $a}.
            {Keep|Return} only those items of $a that {are in|also occur in} $b.
            What do the lists $a and $b both have? Keep the order of $a.
            All of $a but what $b lacks.
        """,
        bodies=("return [item for item in $a if item in $b]",),
        inputs=lambda rng: (rng.sample(range(9), rng.randint(2, 5)), rng.sample(range(9), rng.randint(2, 5))),
        reference=lambda first, second: list(filter(second.count, first)),
        edges=(([], [1]), ([1], []), ([3, 1, 2], [2, 3])),
    ),
    lists(
        names="filter_odd odd_numbers keep_odd",
        signatures=LIST,
        wordings="""
            Return the odd numbers in $a.
            Keep only the odd numbers of $a.
            Filter the odd items out of $a into a new list.
            Return a list of all numbers in $a that are odd.
            Leave out whatever is even in $a.
            Which entries of $a are no multiples of two? Give them as a list.
        """,
        bodies=("return [item for item in $a if item % 2 == 1]",),
        inputs=lambda rng: (integers(rng, 2),),
        reference=lambda values: [value for value in values if value & 1],
        edges=small,
    ),
    lists(
        names="longest_increasing_run longest_rise longest_ascent",
        signatures=LIST,
        wordings="""
            Return the length of the longest stretch of $a in which each number exceeds the one before.
            Find how long the longest strictly increasing run of neighbours in $a is.
            Return the number of items in the longest run of rising numbers in $a, 0 if it is empty.
            Compute the length of the longest part of $a that strictly increases.
            For how many items in a row does $a grow at most?
            The size of the biggest slice of $a that strictly rises.
        """,
        bodies=(
            """
            best = count = 0
            for i in range(len($a)):
                count = count + 1 if i > 0 and $a[i] > $a[i - 1] else 1
                best = max(best, count)
            return best
            """,
        ),
        inputs=lambda rng: (integers(rng, 2),),
        reference=longest_rise,
        edges=(([],), ([1],), ([1, 1],), ([1, 2, 3, 1],), ([5, 1, 2],)),
        telling=False,
    ),
)
