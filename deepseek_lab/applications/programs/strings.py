"""Families of functions on strings."""

from collections import Counter
from functools import partial
from itertools import groupby
from string import ascii_lowercase

from deepseek_lab.applications.programs.base import Family
from deepseek_lab.applications.programs.inputs import TEXT, WORD, both, letters, text, words

strings = partial(Family, topic="strings")
VOWELS = "aeiou"


def words_backwards(value: str) -> str:
    """The words from last to first."""
    backwards = ""
    for word in value.split():
        backwards = f"{word} {backwards}"
    return backwards.strip()


FAMILIES = (
    strings(
        names="reverse_string reverse_text reverse_word",
        signatures=WORD,
        wordings="""
            {Reverse|Turn around} {a string|the string $a}.
            Return $a {reversed|backwards|in reverse|from back to front}.
            Return {a string with |}the {characters|letters} of $a in {reverse|reversed} order.
            Return the {reverse|reversal} of $a.
            Spell $a from its last character to its first.
            The mirror image of the string $a.
        """,
        bodies=(
            "return $a[::-1]",
            """
            result = ""
            for char in $a:
                result = char + result
            return result
            """,
        ),
        inputs=lambda rng: (letters(rng, 2),),
        reference=lambda value: "".join(reversed(value)),
        edges=(("",), ("a",), ("abc",)),
    ),
    strings(
        names="is_palindrome palindrome check_palindrome",
        signatures=WORD,
        wordings="""
            {Check|Test|Return} whether $a is a palindrome.
            Return True if $a {is a palindrome|reads the same backwards}{|, else False| and False otherwise}.
            Is $a {a palindrome|the same from both ends|the same forwards and backwards}?
            {Check|Test} if {a string|the string $a} is {equal to its reverse|the same forwards and backwards}.
            True when $a does not change if it is reversed.
            Find out if a word can be read from either end.
        """,
        bodies=(
            "return $a == $a[::-1]",
            """
            left, right = 0, len($a) - 1
            while left < right:
                if $a[left] != $a[right]:
                    return False
                left += 1
                right -= 1
            return True
            """,
        ),
        inputs=lambda rng: (((half := letters(rng, 1, 3)) + "xy"[: rng.randint(0, 2)] + half[::-1]),),
        reference=lambda value: list(value) == list(reversed(value)),
        edges=(("",), ("a",), ("ab",), ("noon",), ("level",), ("abca",), ("abcb",)),
    ),
    strings(
        names="count_vowels number_of_vowels vowel_count",
        signatures=TEXT,
        wordings="""
            Count the vowels {in|of} {$a|the string $a}.
            Return the number of vowels in {$a|a string|the string $a}.
            Count how many {characters|letters} of $a are vowels.
            How many vowels {are in $a|does $a have}?
            Tally the letters a, e, i, o and u in $a, capital or not.
            The amount of vowels that $a contains.
        """,
        bodies=(
            'return sum(1 for char in $a.lower() if char in "aeiou")',
            """
            count = 0
            for char in $a.lower():
                if char in "aeiou":
                    count += 1
            return count
            """,
        ),
        inputs=lambda rng: (text(rng, 1),),
        reference=lambda value: sum(value.lower().count(vowel) for vowel in VOWELS),
        edges=(("",), ("xyz",), ("Apple",), ("aeiou",)),
    ),
    strings(
        names="remove_vowels without_vowels drop_vowels",
        signatures=TEXT,
        wordings="""
            {Remove|Drop|Delete} {all|the} vowels from {$a|a string|the string $a}.
            Return $a without {its|the} vowels.
            Return {$a|a string} with {all|the} vowels {removed|left out}.
            Return only those {characters|letters} of $a that are not vowels.
            Keep everything in $a but a, e, i, o and u.
            Strip the vowels, small and capital, out of $a.
        """,
        bodies=(
            'return "".join(char for char in $a if char.lower() not in "aeiou")',
            """
            result = ""
            for char in $a:
                if char.lower() not in "aeiou":
                    result += char
            return result
            """,
        ),
        inputs=lambda rng: (text(rng, 1),),
        reference=lambda value: value.translate({ord(vowel): None for vowel in VOWELS + VOWELS.upper()}),
        edges=(("",), ("xyz",), ("Apple",), ("aeiou",)),
    ),
    strings(
        names="count_words number_of_words how_many_words",
        signatures=TEXT,
        wordings="""
            Count the words {in|of} {$a|the text $a}.
            Return the number of words in {$a|a string|a text|the string $a}.
            Count the words in {$a|a text} that are {separated|parted} by {spaces|blanks}.
            How many words {are in $a|does $a have}?
            The amount of words that $a contains.
            Split $a at its spaces and count the pieces.
        """,
        bodies=("return len($a.split())",),
        inputs=lambda rng: (text(rng, 1),),
        reference=lambda value: len([part for part in value.split(" ") if part]),
        edges=(("",), ("one",), (" two  words ",)),
    ),
    strings(
        names="longest_word find_longest_word get_longest_word",
        signatures=TEXT,
        wordings="""
            Return the longest word {of|in} $a.
            {Find|Get} the longest word in {$a|a text|a string}.
            Return the word of $a with the most {letters|characters}{|, the first of several}.
            {Find|Get} the {first of the longest words|word with the greatest length} in $a.
            Which word of $a is the longest? The first if there are several.
            Split $a and give the word that has the greatest length.
        """,
        bodies=(
            "return max($a.split(), key=len)",
            """
            longest = ""
            for part in $a.split():
                if len(part) > len(longest):
                    longest = part
            return longest
            """,
        ),
        inputs=lambda rng: (text(rng, 1),),
        reference=lambda value: sorted(value.split(), key=lambda part: -len(part))[0],
        edges=(("one",), ("a bb cc d",), ("sun moon",)),
    ),
    strings(
        names="capitalize_words title_case capitalise_words",
        signatures=TEXT,
        wordings="""
            {Capitalize|Capitalise} {each|every} word {of|in} $a.
            Return $a with {each|every} word {capitalized|capitalised}.
            Return $a with the first letter of {each|every} word in {upper case|capitals}.
            Make the first letter of {each|every} word {in|of} $a {upper case|a capital}.
            Let all words of $a begin with a capital letter.
            Write the words in $a as in a title.
        """,
        bodies=('return " ".join(part.capitalize() for part in $a.split())',),
        inputs=lambda rng: (text(rng, 1).lower(),),
        reference=str.title,
        edges=(("",), ("one",), ("two words",)),
    ),
    strings(
        names="reverse_words reverse_word_order words_backwards",
        signatures=TEXT,
        wordings="""
            Reverse the {order of the words|words} in $a.
            Return $a with its words in {reverse|reversed|the opposite} order.
            Return the words of $a {from last to first|backwards}, {separated|parted} by {spaces|blanks}.
            {Turn around|Reverse} the order of the words {of|in} {a text|$a}, but not the words themselves.
            Put the last word of $a first and the first word last.
            The words of the sentence $a from back to front.
        """,
        bodies=('return " ".join($a.split()[::-1])', 'return " ".join(reversed($a.split()))'),
        inputs=lambda rng: (text(rng, 2),),
        reference=words_backwards,
        edges=(("",), ("one",), ("a bc d",)),
    ),
    strings(
        names="is_anagram are_anagrams check_anagram",
        signatures=("a, b", "first, second", "word1, word2", "s, t"),
        wordings="""
            {Check|Test|Return} whether $a and $b are anagrams{| of each other}.
            Return True if $a is an anagram of $b{|, else False| and False otherwise}.
            Are $a and $b {anagrams|anagrams of each other|made of the same letters}?
            {Check|Test} if two {strings|words} {are anagrams|have the same letters}.
            True when the letters of $a can be rearranged to $b.
            Find out if $a and $b use the same characters equally often.
        """,
        bodies=("return sorted($a) == sorted($b)",),
        inputs=lambda rng: (
            (word := letters(rng, 2, 5)),
            "".join(rng.sample(word, len(word)))[rng.randint(0, 1) :] + rng.choice(word),
        ),
        reference=lambda first, second: Counter(first) == Counter(second),
        edges=(("", ""), ("a", "b"), ("listen", "silent"), ("aab", "abb"), ("ab", "abb"), ("abc", "cab")),
    ),
    strings(
        names="count_letter count_char count_character",
        signatures=both(TEXT, ("letter", "char", "c")),
        wordings="""
            {Count|Return} how often the {character|letter} $b {occurs|is|appears} in $a.
            Return the number of {times $b is in|occurrences of $b in} the string $a.
            Count the {characters|letters} of $a that {equal|are equal to} $b.
            How many {characters|letters} {of|in} $a are $b?
            Tally each $b among the letters of $a.
            The number of places in the text $a that have the character $b.
        """,
        bodies=("return $a.count($b)",),
        inputs=lambda rng: (letters(rng, 1), rng.choice("abc")),
        reference=lambda value, letter: len([char for char in value if char == letter]),
        edges=(("", "a"), ("banana", "a"), ("xyz", "a"), ("aa", "a")),
    ),
    strings(
        names="remove_spaces strip_spaces without_spaces",
        signatures=TEXT,
        wordings="""
            {Remove|Drop|Delete} {all|the} {spaces|blanks} from {$a|a string|the string $a}.
            Return $a without {its|the} {spaces|blanks}.
            Return {$a|a string} with {all|the} {spaces|blanks} {removed|left out}.
            Return the {characters|letters} of $a that are not {spaces|blanks}.
            Join the words of $a without anything between them.
            Take every space out of $a.
        """,
        bodies=('return $a.replace(" ", "")',),
        inputs=lambda rng: (text(rng, 2),),
        reference=lambda value: "".join(value.split()),
        edges=(("",), (" ",), ("a b  c",)),
    ),
    strings(
        names="first_unique_char first_unique first_non_repeating",
        signatures=WORD,
        wordings="""
            Return the first {character|letter} that is in $a only once, or None.
            {Find|Get} the first {unique|non-repeating} {character|letter} {of|in} $a, or None.
            Return the first {character|letter} of $a that {does not repeat|is not repeated}, or None.
            {Find|Get} the {leftmost|first} {character|letter} in $a that {occurs|appears} once, or None.
            Which letter of $a is the first that has no twin? None if there is none.
            The earliest character with a count of one in $a, None without any.
        """,
        bodies=(
            """
            for char in $a:
                if $a.count(char) == 1:
                    return char
            return None
            """,
        ),
        inputs=lambda rng: (letters(rng, 2),),
        reference=lambda value: next((char for char, count in Counter(value).items() if count == 1), None),
        edges=(("",), ("a",), ("aab",), ("abab",), ("aabcb",)),
    ),
    strings(
        names="acronym initials make_acronym",
        signatures=TEXT,
        wordings="""
            Return the {initials|first letters} of the words in $a in {upper case|capitals}.
            {Make|Build|Form} {an acronym from|the acronym of} {$a|a text|the words in $a}{|, in upper case}.
            Return {an|the} acronym: the first letter of {each|every} word {of|in} $a, in {upper case|capitals}.
            {Abbreviate|Shorten} $a to the {capital|upper case} {initials|first letters} of its words.
            Take the capital initial of every word in $a and join them.
            Turn a name of several words into its abbreviation, such as NASA.
        """,
        bodies=('return "".join(part[0].upper() for part in $a.split())',),
        inputs=lambda rng: (text(rng, 1),),
        reference=lambda value: "".join(char for char in value.title() if char.isupper()),
        edges=(("",), ("one",), ("world wide web",)),
    ),
    strings(
        names="is_pangram pangram check_pangram",
        signatures=TEXT,
        wordings="""
            {Check|Test|Return} whether $a is a pangram.
            Return True if $a has every letter of the alphabet{|, else False}.
            Is $a a pangram?
            Test if all letters from a to z are in $a, small or capital.
            True when no letter of the alphabet is missing in $a.
            Find out if a sentence uses all 26 letters.
        """,
        bodies=(
            """
            for char in "abcdefghijklmnopqrstuvwxyz":
                if char not in $a.lower():
                    return False
            return True
            """,
        ),
        inputs=lambda rng: ("".join(rng.sample(ascii_lowercase, 26))[rng.randint(0, 1) :],),
        reference=lambda value: len({char for char in value.lower() if "a" <= char <= "z"}) == 26,
        edges=(("",), ("abc",), ("The quick brown fox jumps over the lazy dog",)),
    ),
    strings(
        names="run_length_encode run_length compress_runs",
        signatures=WORD,
        wordings="""
            Return the runs of $a as pairs of a character and how often it stands there in a row.
            Run-length encode $a: a list of (character, count).
            Encode {a string|the string $a} as a list of pairs (character, length of the run).
            Compress $a to a list of (character, count) for each run of equal characters.
            Group equal neighbours in $a and return a list of (character, count).
            For each stretch of one repeated letter in $a give the pair (letter, length).
        """,
        bodies=(
            """
            result = []
            for char in $a:
                if result and result[-1][0] == char:
                    result[-1] = (char, result[-1][1] + 1)
                else:
                    result.append((char, 1))
            return result
            """,
        ),
        inputs=lambda rng: (letters(rng, 2, alphabet="aab"),),
        reference=lambda value: [(char, len(list(run))) for char, run in groupby(value)],
        edges=(("",), ("a",), ("aabba",)),
        telling=False,
    ),
    strings(
        names="remove_punctuation strip_punctuation without_punctuation",
        signatures=TEXT,
        wordings="""
            {Remove|Drop|Delete} {all|the} punctuation from {$a|a string|the string $a}.
            Return $a without {its|the} punctuation.
            Return only the letters, digits and {spaces|blanks} of $a.
            Return {$a|a string} with all signs {removed|left out} but letters, digits and {spaces|blanks}.
            Keep what is alphanumeric or a space in $a.
            Clean $a of commas, dots and other signs.
        """,
        bodies=('return "".join(char for char in $a if char.isalnum() or char == " ")',),
        inputs=lambda rng: (rng.choice([", ", "! ", "; "]).join(words(rng, 2)) + rng.choice(".?!"),),
        reference=lambda value: value.translate({ord(sign): None for sign in ",.;:!?-'"}),
        edges=(("",), ("a, b.",), ("no1: yes!",), ("it's",)),
    ),
)
