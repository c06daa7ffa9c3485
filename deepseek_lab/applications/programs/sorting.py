"""Families of functions that put things in order."""

from functools import partial

from deepseek_lab.applications.programs.base import Family
from deepseek_lab.applications.programs.inputs import LIST, WORDS, integers, words

sorting = partial(Family, topic="sorting")
sorts_numbers = partial(sorting, signatures=LIST, reference=sorted, edges=(([],), ([1],), ([3, -1, 3, 2],)))

FAMILIES = (
    sorts_numbers(
        names="quicksort quick_sort qsort",
        wordings="""
            Sort $a with quicksort.
            Return a sorted {copy|version} of $a {with|using|by means of} quicksort.
            {Quicksort|Quick sort}: split $a around a pivot and sort {both|the} parts.
            Sort {a list|the list $a|the numbers in $a} in ascending order {with|using} the quicksort algorithm.
            Choose a pivot, partition $a and sort each {side|part} {recursively|in the same way}.
            Use the {quick sort|quicksort} method to put $a into order.
            Implementation of quicksort that returns a new list.
        """,
        bodies=(
            """
            if len($a) <= 1:
                return $a
            pivot = $a[len($a) // 2]
            left = [item for item in $a if item < pivot]
            middle = [item for item in $a if item == pivot]
            right = [item for item in $a if item > pivot]
            return $f(left) + middle + $f(right)
            """,
            """
            if len($a) <= 1:
                return $a
            pivot = $a[0]
            left = [item for item in $a[1:] if item < pivot]
            right = [item for item in $a[1:] if item >= pivot]
            return $f(left) + [pivot] + $f(right)
            """,
        ),
        inputs=lambda rng: (integers(rng, 2, 12),),
    ),
    sorts_numbers(
        names="bubble_sort bubblesort sort_by_swapping",
        wordings="""
            Sort $a with bubble sort.
            {Bubble sort|Bubblesort}: swap neighbours of $a that are in the wrong order.
            Sort {a list|the list $a|the numbers in $a} in ascending order {with|using} the bubble sort algorithm.
            Return $a sorted by bubble sort.
            Let the {largest|biggest} items of $a {bubble|rise} to the end.
            Use the bubble sort method to put $a into order.
            Sort by swapping adjacent items of $a again and again.
        """,
        bodies=(
            """
            for i in range(len($a)):
                for j in range(len($a) - 1 - i):
                    if $a[j] > $a[j + 1]:
                        $a[j], $a[j + 1] = $a[j + 1], $a[j]
            return $a
            """,
            """
            swapped = True
            while swapped:
                swapped = False
                for i in range(len($a) - 1):
                    if $a[i] > $a[i + 1]:
                        $a[i], $a[i + 1] = $a[i + 1], $a[i]
                        swapped = True
            return $a
            """,
        ),
        inputs=lambda rng: (integers(rng, 2, 12),),
    ),
    sorts_numbers(
        names="merge_sort mergesort sort_by_merging",
        wordings="""
            Sort $a with merge sort.
            {Merge sort|Mergesort}: sort both halves of $a and merge them.
            Sort {a list|the list $a|the numbers in $a} in ascending order {with|using} the merge sort algorithm.
            Return a sorted {copy|version} of $a {with|using|by means of} merge sort.
            Split $a in {half|the middle}, sort the halves and merge {them|the results}.
            Use the merge sort method to put $a into order.
            Divide $a into two halves, sort each and merge the sorted halves.
        """,
        bodies=(
            """
            if len($a) <= 1:
                return $a
            middle = len($a) // 2
            left, right = $f($a[:middle]), $f($a[middle:])
            result = []
            while left and right:
                if left[0] <= right[0]:
                    result.append(left.pop(0))
                else:
                    result.append(right.pop(0))
            return result + left + right
            """,
        ),
        inputs=lambda rng: (integers(rng, 2, 12),),
    ),
    sorts_numbers(
        names="insertion_sort insertionsort sort_by_inserting",
        wordings="""
            Sort $a with insertion sort.
            {Insertion sort|Insertionsort}: move each item of $a left to its place.
            Sort {a list|the list $a|the numbers in $a} in ascending order {with|using} the insertion sort algorithm.
            Return $a sorted by insertion sort.
            Insert each item of $a into the sorted part before it.
            Use the insertion sort method to put $a into order.
            Sort by inserting the items of $a one after the other where they belong.
        """,
        bodies=(
            """
            for i in range(1, len($a)):
                current = $a[i]
                j = i - 1
                while j >= 0 and $a[j] > current:
                    $a[j + 1] = $a[j]
                    j -= 1
                $a[j + 1] = current
            return $a
            """,
            """
            for i in range(1, len($a)):
                j = i
                while j > 0 and $a[j - 1] > $a[j]:
                    $a[j - 1], $a[j] = $a[j], $a[j - 1]
                    j -= 1
            return $a
            """,
        ),
        inputs=lambda rng: (integers(rng, 2, 12),),
    ),
    sorts_numbers(
        names="selection_sort selectionsort sort_by_selecting",
        wordings="""
            Sort $a with selection sort.
            {Selection sort|Selectionsort}: move the smallest of the rest of $a to the front.
            Sort {a list|the list $a|the numbers in $a} in ascending order {with|using} the selection sort algorithm.
            Return $a sorted by selection sort.
            Select the {smallest|least} remaining item of $a for each position.
            Use the selection sort method to put $a into order.
            Sort by selecting the minimum of what is left of $a, again and again.
        """,
        bodies=(
            """
            for i in range(len($a)):
                smallest = i
                for j in range(i + 1, len($a)):
                    if $a[j] < $a[smallest]:
                        smallest = j
                $a[i], $a[smallest] = $a[smallest], $a[i]
            return $a
            """,
        ),
        inputs=lambda rng: (integers(rng, 2, 12),),
    ),
    sorting(
        names="counting_sort count_sort sort_by_counting",
        signatures=LIST,
        wordings="""
            Sort $a, which are whole numbers from 0 on, by counting.
            Counting sort: {count|tally} how often each number is in $a.
            Sort {a list|the list $a} of non-negative {integers|numbers} {with|using} counting sort.
            Return $a sorted by counting sort.
            Sort the small non-negative integers in $a by counting each of them.
            Use the counting sort method to put $a into order.
        """,
        bodies=(
            """
            if not $a:
                return []
            counts = [0] * (max($a) + 1)
            for item in $a:
                counts[item] += 1
            result = []
            for item, count in enumerate(counts):
                result.extend([item] * count)
            return result
            """,
        ),
        inputs=lambda rng: (integers(rng, 2, 10, low=0),),
        reference=sorted,
        edges=(([],), ([0],), ([3, 0, 3, 1],)),
    ),
    sorting(
        names="sort_descending sort_reverse sort_down",
        signatures=LIST,
        wordings="""
            Sort $a in {descending|decreasing|falling} order.
            Return {a copy|the items} of $a sorted from {largest|biggest|greatest} to smallest.
            {Sort|Order} the {numbers|items} in $a with the {largest|biggest|greatest} first.
            Return $a in {descending|decreasing|falling} order.
            {Sort|Order} $a backwards, so that the smallest {item|number} comes last.
            Put the highest numbers of $a first and the lowest last.
            Arrange the items of $a from high to low.
        """,
        bodies=("return sorted($a, reverse=True)",),
        inputs=lambda rng: (integers(rng, 2),),
        reference=lambda values: [-value for value in sorted(-value for value in values)],
        edges=(([],), ([1],), ([2, 3, 2, -1],)),
    ),
    sorting(
        names="sort_by_length order_by_length sort_words_by_length",
        signatures=WORDS,
        wordings="""
            Sort $a by {length|their length|how long they are}.
            Return the {words|strings} of $a {ordered|sorted} by {length|their length}.
            {Sort|Order} the {words|strings} in $a {from shortest to longest|with the shortest first}.
            Sort $a so that {short|shorter} {words|strings} come before {long|longer} ones.
            Put the shortest words of $a first.
            Arrange the strings in $a by the number of their characters.
        """,
        bodies=("return sorted($a, key=len)",),
        inputs=lambda rng: (words(rng, 2),),
        reference=lambda values: [w for size in range(20) for w in values if len(w) == size],
        edges=(([],), (["bb", "a"],), (["ccc", "bb", "aa", "d"],)),
    ),
    sorting(
        names="sort_by_second sort_pairs order_by_second",
        signatures=("items", "lst", "data", "values"),
        wordings="""
            Sort the {pairs|tuples} in $a by their second {item|element|value}.
            Return the {pairs|tuples} of $a ordered by the second {item|element|value}.
            {Sort|Order} $a, a list of {pairs|tuples}, by what comes second.
            Sort a list of {pairs|tuples} by the second {item|element|value} of each.
            Arrange the tuples in $a by their last part.
            Sort $a with the second entry of each pair as the key.
        """,
        bodies=("return sorted($a, key=lambda pair: pair[1])",),
        inputs=lambda rng: ([(rng.randint(0, 9), rng.randint(0, 9)) for _ in range(rng.randint(2, 5))],),
        reference=lambda pairs: [p for second in range(10) for p in pairs if p[1] == second],
        edges=(([],), ([(1, 2)],), ([(1, 2), (2, 1), (0, 2)],)),
    ),
    sorting(
        names="is_sorted is_ascending check_sorted",
        signatures=LIST,
        wordings="""
            {Check|Test|Return} whether $a is sorted{| in ascending order}.
            Return True if $a is {sorted|in order|in ascending order}{|, else False| and False otherwise}.
            Is $a {sorted|in ascending order|sorted in ascending order}?
            {Check|Test} that no item of $a is {larger|greater} than the {next|one after it}.
            True when the numbers of $a never decrease.
            Find out if a list is ordered from smallest to largest.
        """,
        bodies=(
            "return all($a[i] <= $a[i + 1] for i in range(len($a) - 1))",
            """
            for i in range(1, len($a)):
                if $a[i - 1] > $a[i]:
                    return False
            return True
            """,
        ),
        inputs=lambda rng: ([integers(rng, 2, 4), sorted(integers(rng, 2))][rng.randint(0, 1)],),
        reference=lambda values: values == sorted(values),
        edges=(([],), ([1],), ([1, 2, 3],), ([1, 1, 2],), ([3, 2, 1],), ([2, 1, 3],), ([1, 2, 0],)),
    ),
    sorting(
        names="sort_by_absolute sort_by_abs order_by_absolute_value",
        signatures=LIST,
        wordings="""
            Sort $a by {absolute value|their absolute values}.
            Return the numbers of $a ordered by absolute value.
            {Sort|Order} the numbers in $a by how far they are from zero.
            Sort $a, looking at the size of each number and not at its sign.
            Arrange the numbers in $a by magnitude, smallest first.
            Sort a list of numbers with abs as the key.
        """,
        bodies=("return sorted($a, key=abs)",),
        inputs=lambda rng: (integers(rng, 2),),
        reference=lambda values: [v for size in range(99) for v in values if v in (size, -size)],
        edges=(([],), ([-1],), ([3, -2, 1, -3],)),
    ),
)
