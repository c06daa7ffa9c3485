"""Families of functions that make or use a dictionary."""

from collections import Counter, defaultdict
from functools import partial
from random import Random

from deepseek_lab.applications.programs.base import Family
from deepseek_lab.applications.programs.inputs import LIST, TABLE, WORDS, both, integers, letters, table, words

dictionaries = partial(Family, topic="dictionaries")
two_tables = ("a, b", "first, second", "left, right", "d1, d2")


def grouped(values: list, key) -> dict:
    """Lists of the values that have the same key."""
    groups = defaultdict(list)
    for value in values:
        groups[key(value)].append(value)
    return dict(groups)


def overlapping(rng: Random) -> tuple:
    """Two dictionaries that have some keys in common."""
    return table(rng, 1, 4), {key: rng.randint(1, 9) for key in rng.sample(("apple", "noon", "tree", "dog"), 2)}


FAMILIES = (
    dictionaries(
        names="count_items count_each tally",
        signatures=LIST,
        wordings="""
            {Count|Return} how often each item {is|occurs} in $a{|, as a dictionary}.
            Return a dictionary from each item {in|of} $a to {how often it occurs|its count}.
            Return a {dict|dictionary} with the {count|frequency} of {each|every} item in $a.
            Count {each|every} {different |distinct |}item {of|in} {a list|$a} in a {dict|dictionary}.
            How many times is each value in $a? Answer with a dictionary.
            The frequencies of the items of $a, as a mapping.
        """,
        bodies=(
            """
            counts = {}
            for item in $a:
                counts[item] = counts.get(item, 0) + 1
            return counts
            """,
            """
            counts = {}
            for item in $a:
                if item not in counts:
                    counts[item] = 0
                counts[item] += 1
            return counts
            """,
        ),
        inputs=lambda rng: (integers(rng, 2, 8, 0, 4),),
        reference=lambda values: dict(Counter(values)),
        edges=(([],), ([1],), ([2, 1, 2],)),
    ),
    dictionaries(
        names="word_frequencies word_counts count_each_word",
        signatures=("text", "s", "sentence", "string"),
        wordings="""
            {Count|Return} how often each word {is|occurs} in $a{|, as a dictionary}.
            Return a dictionary from each word {in|of} $a to {how often it occurs|its count}.
            Return a {dict|dictionary} with the {count|frequency} of {each|every} word in $a.
            Count {each|every} {different |distinct |}word {of|in} {a text|$a} in a {dict|dictionary}.
            How many times is each word in $a? Answer with a dictionary.
            The frequencies of the words of $a, as a mapping.
        """,
        bodies=(
            """
            counts = {}
            for part in $a.split():
                counts[part] = counts.get(part, 0) + 1
            return counts
            """,
        ),
        inputs=lambda rng: (" ".join(rng.choices(["sun", "moon", "tea", "cat"], k=rng.randint(2, 6))),),
        reference=lambda value: dict(Counter(value.split())),
        edges=(("",), ("one",), ("a b a",)),
    ),
    dictionaries(
        names="char_frequencies letter_counts count_each_char",
        signatures=("word", "text", "s", "string"),
        wordings="""
            {Count|Return} how often each {character|letter} {is|occurs} in $a{|, as a dictionary}.
            Return a dictionary from the {characters|letters} of $a to {how often they occur|their counts}.
            Return a {dict|dictionary} with the {count|frequency} of {each|every} {character|letter} in $a.
            Count {each|every} {different |distinct |}{character|letter} {of|in} $a in a {dict|dictionary}.
            How many times is each letter in $a? Answer with a dictionary.
            The frequencies of the characters of $a, as a mapping.
        """,
        bodies=(
            """
            counts = {}
            for char in $a:
                counts[char] = counts.get(char, 0) + 1
            return counts
            """,
        ),
        inputs=lambda rng: (letters(rng, 2),),
        reference=lambda value: dict(Counter(value)),
        edges=(("",), ("a",), ("noon",)),
    ),
    dictionaries(
        names="invert_dict invert swap_keys_and_values",
        signatures=TABLE,
        wordings="""
            {Invert|Reverse|Flip} {a dictionary|the dictionary $a}.
            {Swap|Exchange} the keys and values of $a.
            Return a {dict|dictionary} from the values of $a to {its|the} keys.
            Return $a with {its keys and values swapped|values as keys and keys as values}.
            Turn the mapping $a round, so that each value leads to its key.
            Make keys of the values of $a, and values of its keys.
        """,
        bodies=("return {value: key for key, value in $a.items()}",),
        inputs=lambda rng: (dict(zip(words(rng, 1, 5), rng.sample(range(20), 5), strict=False)),),
        reference=lambda given: dict(zip(given.values(), given.keys(), strict=True)),
        edges=(({},), ({"x": 1},), ({"x": 2, "y": 1},)),
    ),
    dictionaries(
        names="merge_counts add_dicts sum_dicts",
        signatures=two_tables,
        wordings="""
            {Merge|Combine|Join} $a and $b, and add the values of keys {in both|that they share}.
            {Add|Sum} two dictionaries of numbers key by key.
            Return a {dict|dictionary} with {all|the} keys of $a and $b and the sums of their values.
            {Add|Sum} the {counts|values} in $a and $b {for each key|key by key}.
            Put $a and $b together; where both have a key, its value is the sum.
            The mapping of every key of $a or $b to its total over the two.
        """,
        bodies=(
            """
            result = dict($a)
            for key, value in $b.items():
                result[key] = result.get(key, 0) + value
            return result
            """,
        ),
        inputs=overlapping,
        reference=lambda first, second: {key: first.get(key, 0) + second.get(key, 0) for key in [*first, *second]},
        edges=(({}, {}), ({"x": 1}, {}), ({"x": 1, "y": 2}, {"x": 3, "z": 4})),
    ),
    dictionaries(
        names="merge_dicts combine_dicts join_dicts",
        signatures=two_tables,
        wordings="""
            {Merge|Combine|Join} {two dictionaries|$a and $b}; $b wins where both have a key.
            Return a {dict|dictionary} with {all|the} {items|entries} of $a and $b{|; those of $b win}.
            Return $a {updated|extended} with {the entries of $b|$b}{|, as a new dictionary}.
            {Merge|Combine} $a and $b into {one|a new} dictionary{|, in which $b overrides $a}.
            All that is in $a or in $b, as one dictionary, $b having the last word.
            A new mapping with the contents of $a overwritten by those of $b.
        """,
        bodies=(
            "return {**$a, **$b}",
            """
            result = dict($a)
            result.update($b)
            return result
            """,
        ),
        inputs=overlapping,
        reference=lambda first, second: dict([*first.items(), *second.items()]),
        edges=(({}, {}), ({"x": 1}, {}), ({"x": 1, "y": 2}, {"x": 3, "z": 4})),
    ),
    dictionaries(
        names="group_by_length words_by_length group_words_by_length",
        signatures=WORDS,
        wordings="""
            Group {the words in $a|$a} by {length|their length}.
            Return a dictionary from {length|each length} to the {words|strings} of $a {of|with} that length.
            {Group|Collect} the {words|strings} {of|in} $a {that are equally long|with equal lengths} in a dictionary.
            Return a {dict|dictionary} {that maps|mapping} lengths to lists of {words|strings} {of|in} $a.
            For each number of letters, which words of $a have so many? Answer with a dictionary.
            Sort the words of $a into lists by how long they are, with the length as the key.
        """,
        bodies=(
            """
            groups = {}
            for item in $a:
                groups.setdefault(len(item), []).append(item)
            return groups
            """,
            """
            groups = {}
            for item in $a:
                if len(item) not in groups:
                    groups[len(item)] = []
                groups[len(item)].append(item)
            return groups
            """,
        ),
        inputs=lambda rng: (words(rng, 2),),
        reference=lambda values: grouped(values, len),
        edges=(([],), (["a"],), (["a", "bb", "c"],)),
    ),
    dictionaries(
        names="most_common most_frequent mode",
        signatures=LIST,
        wordings="""
            Return the {most common|most frequent|commonest} item {of|in} $a.
            {Find|Get} the item that {occurs|is} most often in $a{|, the first of several}.
            Return the item of $a with the {highest|largest} count{|, the first of several}.
            {Find|Get} the mode of {a list|$a}{|, the first of several}.
            What is in $a more often than anything else? The first such item.
            The item that $a repeats most.
        """,
        bodies=(
            """
            counts = {}
            for item in $a:
                counts[item] = counts.get(item, 0) + 1
            return max(counts, key=counts.get)
            """,
            "return max($a, key=$a.count)",
        ),
        inputs=lambda rng: (rng.sample(given := [0, 0, 0, 1, 1, 2, 3], 7) + given[: rng.randint(0, 4)],),
        reference=lambda values: Counter(values).most_common(1)[0][0],
        edges=(([1],), ([1, 2, 2],), ([3, 1, 3],)),
    ),
    dictionaries(
        names="keys_with_value find_keys keys_for_value",
        signatures=both(TABLE, ("wanted", "target")),
        wordings="""
            Return the keys of $a {whose value is|that have the value} $b.
            {Find|Get} all keys {in|of} $a {that lead to|with the value} $b.
            Return a list of the keys {in|of} $a {that map to|whose value equals} $b.
            {List|Collect} {every key|the keys} of $a with {the value|a value of} $b.
            Which keys lead to $b in the dictionary $a?
            Look $b up among the values of $a and give the keys that have it.
        """,
        bodies=("return [key for key, item in $a.items() if item == $b]",),
        inputs=lambda rng: (table(rng, 1, 5, 0, 2), rng.randint(0, 2)),
        reference=lambda given, value: [key for key in given if given[key] == value],
        edges=(({}, 1), ({"x": 1}, 1), ({"x": 1, "y": 2, "z": 1}, 1)),
    ),
    dictionaries(
        names="filter_by_value values_above keep_large_values",
        signatures=both(TABLE, ("limit", "threshold", "least")),
        wordings="""
            {Keep|Return} the {items|entries} of $a whose value is at least $b.
            {Filter|Restrict} $a to {the values|values} {that are|of} at least $b.
            Return a {dict|dictionary} of the {items|entries} in $a with a value of $b or more.
            Return $a without the {items|entries} {whose value is|with values} {below|less than} $b.
            Throw those keys out of $a that have less than $b.
            The part of the dictionary $a where values reach $b.
        """,
        bodies=("return {key: value for key, value in $a.items() if value >= $b}",),
        inputs=lambda rng: (table(rng, 2), rng.randint(-5, 5)),
        reference=lambda given, least: dict(item for item in given.items() if not item[1] < least),
        edges=(({}, 1), ({"x": 1}, 1), ({"x": 1, "y": 3, "z": 2}, 2)),
        telling=False,
    ),
    dictionaries(
        names="key_of_max key_with_largest_value best_key",
        signatures=TABLE,
        wordings="""
            Return the key {with|that has} the {largest|biggest|highest} value in $a.
            {Find|Get} the key of $a whose value is {largest|highest|the maximum}.
            Return the key of the {largest|biggest|highest} value {in|of} {a dictionary|$a}.
            Find {which key|the key that} has the {largest|biggest|highest} value in $a.
            Where does the dictionary $a have its maximum?
            Whose number in $a beats all others? Give the key.
        """,
        bodies=("return max($a, key=$a.get)", "return max($a, key=lambda key: $a[key])"),
        inputs=lambda rng: (dict(zip("abcd", rng.sample(range(20), rng.randint(2, 4)), strict=False)),),
        reference=lambda given: max((value, key) for key, value in given.items())[1],
        edges=(({"x": 1},), ({"x": 1, "y": 2},), ({"z": 4, "y": 2},)),
    ),
    dictionaries(
        names="sort_by_value keys_by_value order_by_value",
        signatures=TABLE,
        wordings="""
            Return the keys of $a {sorted|ordered} by {value|their values}.
            {Sort|Order} the keys of $a by {value|their values}{|, smallest first}.
            Return a list of the keys {in|of} $a in ascending order of {value|their values}.
            {Sort|Order} the keys of {a dictionary|$a} from {smallest|lowest} to {largest|highest} value.
            Put the keys of $a in a list, the one with the least value first.
            Arrange the keys of the dictionary $a by what they lead to.
        """,
        bodies=("return sorted($a, key=$a.get)", "return sorted($a, key=lambda key: $a[key])"),
        inputs=lambda rng: (dict(zip("dacbe", rng.sample(range(20), rng.randint(2, 5)), strict=False)),),
        reference=lambda given: [key for _, key in sorted((value, key) for key, value in given.items())],
        edges=(({},), ({"x": 1},), ({"x": 2, "y": 1},)),
    ),
    dictionaries(
        names="index_items index_by_position item_positions",
        signatures=WORDS,
        wordings="""
            Return a {dict|dictionary} from each item of $a to its {index|position}.
            {Map|Link} {each|every} item of $a to its {index|position}{|, in a dictionary}.
            Return a {dict|dictionary} {that tells|of} the {index|position} of {each|every} item in $a.
            Build a {dict|dictionary} with the items of $a as keys and {indices|positions} as values.
            Where in $a is each item? Answer with a dictionary.
            A mapping of what is in the list $a to the place where it is.
        """,
        bodies=("return {item: i for i, item in enumerate($a)}",),
        inputs=lambda rng: (list(dict.fromkeys(words(rng, 2))),),
        reference=lambda values: {value: values.index(value) for value in values},
        edges=(([],), (["a"],), (["b", "a"],)),
    ),
    dictionaries(
        names="group_by_first_letter group_by_initial words_by_first_letter",
        signatures=WORDS,
        wordings="""
            Group the words in $a by their first letter.
            Return a dictionary from each first letter to the words of $a that start with it.
            Collect the words of $a with the same first letter in a dictionary.
            Return a dictionary mapping first letters to lists of words in $a.
            For each initial, which words of $a have it? Answer with a dictionary.
            Sort the words of $a into lists by how they begin, with the first letter as the key.
        """,
        bodies=(
            """
            groups = {}
            for item in $a:
                groups.setdefault(item[0], []).append(item)
            return groups
            """,
        ),
        inputs=lambda rng: (words(rng, 2),),
        reference=lambda values: grouped(values, lambda word: word[:1]),
        edges=(([],), (["a"],), (["ab", "b", "ac"],)),
    ),
)
