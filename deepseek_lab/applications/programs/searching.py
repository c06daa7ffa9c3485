"""Families of functions that look for something in a list."""

from functools import partial
from random import Random

from deepseek_lab.applications.programs.base import Family
from deepseek_lab.applications.programs.inputs import LIST, both, distinct, integers

searching = partial(Family, topic="searching")
in_a_list = both(LIST, ("target", "value", "wanted"))


def haystack(rng: Random) -> tuple:
    """A list and a number that is in it more often than not."""
    values = integers(rng, 2, 8, -5, 5)
    return values, rng.choice([*values, 7])


def sorted_haystack(rng: Random) -> tuple:
    """An ascending list without duplicates, and a number that is in it more often than not."""
    values = sorted(distinct(rng, 1, 10))
    return values, rng.choice([*values, 99, rng.randint(-20, 20)])


def numbers_and_sum(rng: Random) -> tuple:
    """Numbers of which no two pairs have the same sum, and the sum of a pair more often than not."""
    values = rng.sample((1, 2, 4, 8, 16, 32), rng.randint(2, 5))
    return values, rng.choice([sum(rng.sample(values, 2)), sum(rng.sample(values, 2)), rng.randint(1, 9)])


def two_sum(values: list[int], target: int) -> tuple[int, int] | None:
    """The positions of two numbers with that sum, the second as far left as can be."""
    pairs = [(i, j) for j in range(len(values)) for i in range(j) if values[i] + values[j] == target]
    return pairs[0] if pairs else None


FAMILIES = (
    searching(
        names="binary_search bisect_search search_sorted",
        signatures=in_a_list,
        wordings="""
            {Find|Search for} $b in the sorted list $a with binary search{|, or return -1|; -1 if it is absent}.
            Return the {index|position} of $b in the sorted list $a, or -1.
            Binary search: halve $a until $b is found{|, or return -1}.
            {Search|Look into} a sorted list for $b and return its {index|position}, or -1{| if it is not there}.
            Use binary search to {find|locate} $b in $a{|, which is sorted}{|. Return -1 if it is not in there}.
            Where in the ascending list $a is $b? Give -1 when it isn't there.
            Locate $b in $a by cutting the sorted range in half each time, -1 if missing.
        """,
        bodies=(
            """
            low, high = 0, len($a) - 1
            while low <= high:
                middle = (low + high) // 2
                if $a[middle] == $b:
                    return middle
                if $a[middle] < $b:
                    low = middle + 1
                else:
                    high = middle - 1
            return -1
            """,
            """
            low, high = 0, len($a)
            while low < high:
                middle = (low + high) // 2
                if $a[middle] < $b:
                    low = middle + 1
                else:
                    high = middle
            return low if low < len($a) and $a[low] == $b else -1
            """,
        ),
        inputs=sorted_haystack,
        reference=lambda values, target: values.index(target) if target in values else -1,
        edges=(([], 1), ([4], 4), *(([1, 3, 5, 7], target) for target in (7, 5, 1, 4)), ([1, 3], 9), ([3, 5], 0)),
    ),
    searching(
        names="linear_search find_index sequential_search",
        signatures=in_a_list,
        wordings="""
            Return the {index|position} of the first $b in $a, or -1.
            {Find|Search for} $b in $a {from left to right|one item after the other}, or return -1.
            Linear search: {look at|compare} each item of $a with $b{|, and return -1 if none is equal}.
            {Go|Look} through $a and return the {index|position} of $b, or -1 {if it is not there|if there is none}.
            Where does $b first occur in $a? -1 if nowhere.
            Walk over $a until $b is met and give its place, -1 when it is missing.
        """,
        bodies=(
            """
            for i, item in enumerate($a):
                if item == $b:
                    return i
            return -1
            """,
            """
            for i in range(len($a)):
                if $a[i] == $b:
                    return i
            return -1
            """,
        ),
        inputs=haystack,
        reference=lambda values, target: values.index(target) if target in values else -1,
        edges=(([], 1), ([4], 4), ([2, 3, 3], 3), ([1, 2], 5)),
    ),
    searching(
        names="last_index find_last last_position",
        signatures=in_a_list,
        wordings="""
            Return the {index|position} of the last $b in $a, or -1.
            {Find|Search for} $b in $a from {right to left|the end}, or return -1.
            Return the last {index|position} at which $a has $b, or -1{| if there is none}.
            Where in $a is $b for the last time? {Return|Give} -1 if nowhere.
            Look for the final occurrence of $b in $a; -1 if it does not occur.
            The highest i for which the i-th item of $a equals $b, or -1.
        """,
        bodies=(
            """
            for i in range(len($a) - 1, -1, -1):
                if $a[i] == $b:
                    return i
            return -1
            """,
        ),
        inputs=haystack,
        reference=lambda values, target: max([-1, *(i for i, v in enumerate(values) if v == target)]),
        edges=(([], 1), ([4], 4), ([3, 3, 2], 3), ([1, 2], 5)),
    ),
    searching(
        names="find_indices all_indices positions_of",
        signatures=in_a_list,
        wordings="""
            Return {all|the} {indices|positions} of $b in $a.
            {Find|Search} all the places where $a has $b.
            Return a list of {indices|positions} at which $b {occurs|is found} in $a.
            {List|Collect} {every|each} {index|position} of $b in $a.
            Where is $b in $a? Give each place.
            The positions of every occurrence of $b within $a, as a list.
        """,
        bodies=("return [i for i, item in enumerate($a) if item == $b]",),
        inputs=haystack,
        reference=lambda values, target: [i for i in range(len(values)) if values[i] == target],
        edges=(([], 1), ([4], 4), ([3, 2, 3], 3), ([1, 2], 5)),
    ),
    searching(
        names="count_occurrences count_value count_equal",
        signatures=in_a_list,
        wordings="""
            {Count|Return} how often $b {occurs|is found|appears} in $a.
            Return the number of {times $b is in|occurrences of $b in|items equal to $b in} $a.
            Count the items of $a that {equal|are equal to} $b.
            How {often|many times} {is $b in $a|does $b occur in $a}?
            The number of matches for $b within $a.
            Go through $a and tally every $b.
        """,
        bodies=(
            """
            count = 0
            for item in $a:
                if item == $b:
                    count += 1
            return count
            """,
            "return sum(1 for item in $a if item == $b)",
        ),
        inputs=haystack,
        reference=lambda values, target: values.count(target),
        edges=(([], 1), ([4], 4), ([3, 2, 3], 3), ([1, 2], 5)),
    ),
    searching(
        names="find_max find_largest maximum largest",
        signatures=LIST,
        wordings="""
            Return the {largest|biggest|greatest} {item|number|value} {of|in} $a.
            {Find|Get} the maximum of $a{| without max}.
            {Find|Get} the {largest|biggest|greatest} {item|number|value} {of|in} $a.
            Return the {maximum|highest number} {of|in} a list.
            Which number in $a is larger than all others?
            Look through $a for its highest value.
        """,
        bodies=(
            """
            best = $a[0]
            for item in $a:
                if item > best:
                    best = item
            return best
            """,
        ),
        inputs=lambda rng: (integers(rng, 1),),
        reference=max,
        edges=(([1],), ([-3, -1, -2],), ([5, 2, 5],)),
    ),
    searching(
        names="find_min find_smallest minimum smallest",
        signatures=LIST,
        wordings="""
            Return the {smallest|least|lowest} {item|number|value} {of|in} $a.
            {Find|Get} the minimum of $a{| without min}.
            {Find|Get} the {smallest|least|lowest} {item|number|value} {of|in} $a.
            Return the {minimum|lowest number} {of|in} a list.
            Which number in $a is smaller than all others?
            Look through $a for its tiniest value.
        """,
        bodies=(
            """
            best = $a[0]
            for item in $a:
                if item < best:
                    best = item
            return best
            """,
        ),
        inputs=lambda rng: (integers(rng, 1),),
        reference=min,
        edges=(([1],), ([-3, -1, -2],), ([2, 5, 2],)),
    ),
    searching(
        names="second_largest second_highest find_second_largest",
        signatures=LIST,
        wordings="""
            Return the second {largest|biggest|greatest} {number|value} of $a{|, which has two different ones}.
            {Find|Get} the second {largest|biggest|greatest} different {number|value} in $a.
            Return the {largest|biggest} {number|value} of $a but for the maximum.
            {Find|Get} the {number|value} in $a that comes right below the {largest|maximum}.
            The runner-up: the highest value in $a below the maximum.
            What is the second highest of the distinct numbers in $a?
        """,
        bodies=("return sorted(set($a))[-2]",),
        inputs=lambda rng: ([*integers(rng, 1), 20, 20],),
        reference=lambda values: max(value for value in values if value != max(values)),
        edges=(([1, 2],), ([-3, -1, -2],), ([5, 2, 5],), ([4, 9, 6, 1],)),
    ),
    searching(
        names="index_of_max argmax position_of_max",
        signatures=LIST,
        wordings="""
            Return the {index|position} of the {largest|biggest|greatest} {item|number|value} {of|in} $a.
            {Find|Get} the {index|position} of the maximum of $a.
            {Find|Get} where the {largest|biggest|greatest} {item|number|value} of $a is.
            Return the first {index|position} at which $a has its maximum.
            At which place of $a is its highest number?
            The i for which the i-th item of $a is the largest.
        """,
        bodies=(
            """
            best = 0
            for i in range(len($a)):
                if $a[i] > $a[best]:
                    best = i
            return best
            """,
        ),
        inputs=lambda rng: (integers(rng, 2),),
        reference=lambda values: values.index(max(values)),
        edges=(([1],), ([-3, -1, -2],), ([2, 5, 5],)),
    ),
    searching(
        names="two_sum find_pair pair_with_sum",
        signatures=both(("nums", "arr", "numbers", "values"), ("target", "total")),
        wordings="""
            Return the {indices|positions} of two {numbers|items} of $a whose sum is $b, or None.
            {Find|Get} two {numbers|items} in $a that add up to $b and return their {indices|positions}, or None.
            Two sum: {indices|positions} i < j with $a[i] + $a[j] == $b, or None.
            Return a pair of {indices|positions} whose {numbers|items} in $a {sum to|add up to} $b, or None.
            Which two places of $a hold numbers that make $b together? None if there are none.
            Look for two entries in $a with the sum $b and give where they are, None without any.
        """,
        bodies=(
            """
            seen = {}
            for i, item in enumerate($a):
                if $b - item in seen:
                    return seen[$b - item], i
                seen[item] = i
            return None
            """,
            """
            for j in range(len($a)):
                for i in range(j):
                    if $a[i] + $a[j] == $b:
                        return i, j
            return None
            """,
        ),
        inputs=numbers_and_sum,
        reference=two_sum,
        edges=(([], 1), ([2, 7, 11, 15], 9), ([3, 2, 4], 6), ([1, 2], 9), ([4], 8)),
    ),
    searching(
        names="missing_number find_missing find_missing_number",
        signatures=LIST,
        wordings="""
            Return the number from 0 to n that is missing in $a{|, which has n numbers}.
            {Find|Get} the one number that $a lacks of 0 to len($a).
            $a has all numbers from 0 to n but one. {Find|Return} {it|that one}.
            Return the {missing|absent} number of a list that has all others from 0 to its length.
            Which number between 0 and len($a) isn't in $a?
            The only integer of 0, 1, 2 and so on up to the length of $a that is left out.
        """,
        bodies=(
            """
            n = len($a)
            return n * (n + 1) // 2 - sum($a)
            """,
            """
            for i in range(len($a) + 1):
                if i not in $a:
                    return i
            """,
        ),
        inputs=lambda rng: (rng.sample(range(n := rng.randint(2, 8)), n - 1),),
        reference=lambda values: (set(range(len(values) + 1)) - set(values)).pop(),
        edges=(([0],), ([1],), ([0, 1, 3],)),
    ),
    searching(
        names="first_greater first_above find_first_greater",
        signatures=both(LIST, ("limit", "threshold")),
        wordings="""
            Return the first {item|number} of $a that is {greater|larger} than $b, or None.
            {Find|Get} the first {item|number} in $a above $b, or None{| if there is none}.
            Go through $a until {an item|a number} {exceeds|is above} $b and return it, or None.
            Return the {leftmost|first} {item|number} of $a that {exceeds|is above} $b, or None.
            Which number in $a is the first one over $b? None if there is no such number.
            The earliest entry of $a bigger than $b, None without any.
        """,
        bodies=(
            """
            for item in $a:
                if item > $b:
                    return item
            return None
            """,
        ),
        inputs=haystack,
        reference=lambda values, limit: next(filter(limit.__lt__, values), None),
        edges=(([], 1), ([1, 5, 7], 2), ([3, 2], 3), ([4, 3, 9], 3)),
    ),
    searching(
        names="index_of_min argmin position_of_min",
        signatures=LIST,
        wordings="""
            Return the {index|position} of the {smallest|least|lowest} {item|number|value} {of|in} $a.
            {Find|Get} the {index|position} of the minimum of $a.
            {Find|Get} where the {smallest|least|lowest} {item|number|value} of $a is.
            Return the first {index|position} at which $a has its minimum.
            At which place of $a is its lowest number?
            The i for which the i-th item of $a is the smallest.
        """,
        bodies=(
            """
            best = 0
            for i in range(len($a)):
                if $a[i] < $a[best]:
                    best = i
            return best
            """,
        ),
        inputs=lambda rng: (integers(rng, 2),),
        reference=lambda values: values.index(min(values)),
        edges=(([1],), ([-3, -5, -2],), ([5, 2, 2],)),
    ),
    searching(
        names="majority_element majority find_majority",
        signatures=LIST,
        wordings="""
            Return the item that makes up more than half of $a, or None.
            {Find|Get} the majority of $a: the item that is there more than len($a) / 2 times, or None.
            Return what most of $a is, or None if no item has more than half of the places.
            Which item has the majority in $a? Return None if none has.
            The value of more than half of $a, None if there is no such value.
            Look for an item that occurs in $a more often than all others together, or None.
        """,
        bodies=(
            """
            for item in $a:
                if $a.count(item) > len($a) // 2:
                    return item
            return None
            """,
        ),
        inputs=lambda rng: (integers(rng, 1, 6, 0, 1),),
        reference=lambda values: next((v for v in values if 2 * values.count(v) > len(values)), None),
        edges=(([],), ([1],), ([2, 1, 2],), ([1, 2],), ([1, 2, 3],), ([1, 1, 2, 2],)),
        telling=False,
    ),
)
