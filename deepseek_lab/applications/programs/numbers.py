"""Families of functions on numbers."""

import calendar
import math
from functools import partial

from deepseek_lab.applications.programs.base import Family
from deepseek_lab.applications.programs.inputs import NUMBER

numbers = partial(Family, topic="numbers")
two_numbers = ("a, b", "x, y", "m, n", "first, second")


def collatz(value: int) -> int:
    """Steps from `value` down to 1."""
    return 0 if value == 1 else 1 + collatz(3 * value + 1 if value & 1 else value >> 1)


FAMILIES = (
    numbers(
        names="is_prime check_prime prime",
        signatures=NUMBER,
        wordings="""
            {Check|Test|Return} whether $a is {prime|a prime number}.
            Return True if $a is {prime|a prime|a prime number}{|, else False| and False otherwise}.
            Is $a {prime|a prime number}?
            {Check|Test} if {a number|$a} has no divisors but 1 and itself.
            True when $a is larger than 1 and cannot be divided evenly by any smaller number but 1.
            Find out if a number is a prime.
        """,
        bodies=(
            """
            if $a < 2:
                return False
            for i in range(2, int($a ** 0.5) + 1):
                if $a % i == 0:
                    return False
            return True
            """,
            """
            if $a < 2:
                return False
            return all($a % i for i in range(2, int($a ** 0.5) + 1))
            """,
        ),
        inputs=lambda rng: (rng.choice([3, 5, 7, 11, 13, 17, 19, 23, 25, 29, 49, 97, rng.randint(1, 100)]),),
        reference=lambda value: [d for d in range(1, value + 1) if value % d == 0] == [1, value],
        edges=((0,), (1,), (2,), (9,), (4,)),
    ),
    numbers(
        names="gcd greatest_common_divisor find_gcd",
        signatures=two_numbers,
        wordings="""
            Return the {greatest|largest} common divisor of $a and $b.
            {Compute|Find|Get} the {greatest common divisor|gcd|GCD} of {$a and $b|two numbers}.
            {Compute|Find} the {greatest|largest} number that divides {$a and $b|both $a and $b}.
            Euclid's algorithm for the {greatest common divisor|gcd} of $a and $b.
            What is the biggest integer by which $a and $b can both be divided?
            The highest factor that $a has in common with $b.
        """,
        bodies=(
            """
            while $b:
                $a, $b = $b, $a % $b
            return $a
            """,
            """
            if $b == 0:
                return $a
            return $f($b, $a % $b)
            """,
        ),
        inputs=lambda rng: ((k := rng.randint(1, 9)) * rng.randint(1, 12), k * rng.randint(1, 12)),
        reference=math.gcd,
        edges=((1, 1), (12, 18), (7, 5), (5, 0)),
    ),
    numbers(
        names="lcm least_common_multiple find_lcm",
        signatures=two_numbers,
        wordings="""
            Return the {least|smallest|lowest} common multiple of $a and $b.
            {Compute|Find|Get} the {least common multiple|lcm|LCM} of {$a and $b|two numbers}.
            {Compute|Find} the {least|smallest} number that {is a multiple of|can be divided by} both $a and $b.
            Return the {first|smallest} multiple of $a that $b divides.
            What is the lowest positive integer which both $a and $b divide?
            The smallest number found among the multiples of $a and those of $b.
        """,
        bodies=(
            """
            result = $a
            while result % $b:
                result += $a
            return result
            """,
        ),
        inputs=lambda rng: (rng.randint(1, 20), rng.randint(1, 20)),
        reference=math.lcm,
        edges=((1, 1), (4, 6), (3, 9)),
    ),
    numbers(
        names="is_even even check_even",
        signatures=NUMBER,
        wordings="""
            {Check|Test|Return} whether $a is {even|an even number}.
            Return True if $a is {even|an even number}{|, else False| and False otherwise}.
            Is $a {even|an even number}?
            {Check|Test} if {a number|$a} {is even|can be divided by two|is divisible by 2}.
            True when $a is a multiple of two.
            Find out if half of $a is a whole number.
        """,
        bodies=("return $a % 2 == 0",),
        inputs=lambda rng: (rng.randint(-50, 50),),
        reference=lambda value: not value & 1,
        edges=((0,), (1,), (2,), (-3,)),
    ),
    numbers(
        names="sum_digits digit_sum sum_of_digits",
        signatures=NUMBER,
        wordings="""
            Return the sum of the digits of $a.
            {Compute|Find|Get} the {digit sum|sum of the digits} of {$a|a number|a non-negative integer}.
            {Add|Sum} {up the|all the|the} digits of $a.
            Return what the digits of $a {add up|sum} to.
            Take the decimal digits of $a and give their total.
            What do you get if you add all digits of a number?
        """,
        bodies=(
            "return sum(int(digit) for digit in str($a))",
            """
            total = 0
            while $a > 0:
                total += $a % 10
                $a //= 10
            return total
            """,
        ),
        inputs=lambda rng: (rng.randint(10, 99999),),
        reference=lambda value: sum(value // 10**place % 10 for place in range(9)),
        edges=((0,), (7,), (10,), (999,)),
    ),
    numbers(
        names="count_digits number_of_digits digit_count",
        signatures=NUMBER,
        wordings="""
            Count the digits {of|in} {$a|the number $a}.
            Return the number of {decimal digits|digits} {of|in} {$a|a non-negative integer}.
            How many digits does $a have?
            {Compute|Find|Get} {how many digits $a has|the number of digits of $a}.
            The length of $a when it is written down in decimal.
            Tell of how many digits a number consists.
        """,
        bodies=(
            "return len(str($a))",
            """
            count = 1
            while $a >= 10:
                $a //= 10
                count += 1
            return count
            """,
        ),
        inputs=lambda rng: (rng.randint(1, 10 ** rng.randint(1, 8)),),
        reference=lambda value: next(size for size in range(1, 99) if value < 10**size),
        edges=((0,), (9,), (10,), (12345,)),
    ),
    numbers(
        names="reverse_number reverse_digits reverse_integer",
        signatures=NUMBER,
        wordings="""
            {Reverse|Turn around} the digits of {$a|a number|a non-negative integer}.
            Return $a with its digits in {reverse|reversed|the opposite} order.
            Return the number whose digits are those of $a {backwards|in reverse|from back to front}.
            {Compute|Get} the number that $a is when {read backwards|its digits are reversed}.
            Read the decimal digits of $a from right to left and return that as an integer.
            The integer with the digits of $a the other way round.
        """,
        bodies=(
            "return int(str($a)[::-1])",
            """
            result = 0
            while $a > 0:
                result = result * 10 + $a % 10
                $a //= 10
            return result
            """,
        ),
        inputs=lambda rng: (rng.randint(10, 99999),),
        reference=lambda value: int("".join(reversed(f"{value}"))),
        edges=((0,), (7,), (120,), (123,)),
    ),
    numbers(
        names="divisors factors get_divisors find_divisors",
        signatures=NUMBER,
        wordings="""
            Return {all|a list of all|the list of} divisors of $a{|, in ascending order}.
            {Find|Get|List} all the {divisors|factors} of $a{|, from 1 to $a}.
            Return the numbers {from 1 to $a |}{that divide $a|by which $a can be divided}.
            {Find|List|Collect} {every number that divides|all numbers that divide} $a evenly.
            Which numbers divide $a without a remainder? Give a list, smallest first.
            The ascending list of all positive integers that go into $a.
        """,
        bodies=("return [i for i in range(1, $a + 1) if $a % i == 0]",),
        inputs=lambda rng: (rng.randint(2, 60),),
        reference=lambda value: sorted({d for i in range(1, value + 1) for d in (i, value // i) if d * i == value}),
        edges=((1,), (2,), (12,), (49,)),
    ),
    numbers(
        names="sum_to_n sum_up_to triangular_number",
        signatures=NUMBER,
        wordings="""
            Return the sum of {all|the} {numbers|integers} from 1 to $a.
            {Add|Sum} {up all|all|the} {numbers|integers} from 1 to $a.
            {Compute|Find|Get} 1 + 2 + ... + $a.
            Return the sum of the first $a {positive integers|natural numbers}.
            What do the whole numbers up to and including $a add up to?
            The triangular number with index $a.
        """,
        bodies=(
            "return $a * ($a + 1) // 2",
            "return sum(range(1, $a + 1))",
        ),
        inputs=lambda rng: (rng.randint(2, 60),),
        reference=lambda value: sum(range(value)) + value,
        edges=((0,), (1,), (10,)),
    ),
    numbers(
        names="sum_of_squares sum_squares square_sum",
        signatures=NUMBER,
        wordings="""
            Return the sum of the squares {from 1 to $a|of all numbers from 1 to $a}.
            {Add|Sum} {up the|the} squares of {all|the} {numbers|integers} from 1 to $a.
            {Compute|Find|Get} 1*1 + 2*2 + ... + $a*$a.
            Return the sum of the first $a {squares|square numbers}.
            What do the squared whole numbers up to and including $a add up to?
            The total of i * i for every i from one to $a.
        """,
        bodies=("return sum(i * i for i in range(1, $a + 1))",),
        inputs=lambda rng: (rng.randint(2, 30),),
        reference=lambda value: value * (value + 1) * (2 * value + 1) // 6,
        edges=((0,), (1,), (3,)),
    ),
    numbers(
        names="is_leap_year leap_year check_leap_year",
        signatures=("year", "y"),
        wordings="""
            {Check|Test|Return} whether $a is a leap year.
            Return True if $a is a leap year{|, else False| and False otherwise}.
            Is $a a leap year?
            {Check|Test} if {the year|a year|$a} {is a leap year|has 366 days|has a 29th of February}.
            True when February has 29 days in $a.
            Find out if a year of the Gregorian calendar has an extra day.
        """,
        bodies=(
            "return $a % 4 == 0 and ($a % 100 != 0 or $a % 400 == 0)",
            """
            if $a % 100 == 0:
                return $a % 400 == 0
            return $a % 4 == 0
            """,
        ),
        inputs=lambda rng: (rng.choice([rng.randint(1600, 2400), 100 * rng.randint(16, 24)]),),
        reference=calendar.isleap,
        edges=((1900,), (2000,), (2023,), (2024,)),
    ),
    numbers(
        names="celsius_to_fahrenheit to_fahrenheit c_to_f",
        signatures=("celsius", "c", "degrees", "temperature"),
        wordings="""
            Convert $a from Celsius to Fahrenheit.
            Return the {temperature|degrees} in Fahrenheit for $a in Celsius.
            {Convert|Change|Turn} {a temperature|degrees} in Celsius {to|into} Fahrenheit.
            Return $a, {which is|a temperature} in Celsius, in Fahrenheit.
            How many degrees Fahrenheit are $a degrees Celsius?
            The Fahrenheit value of a temperature given in Celsius.
        """,
        bodies=("return $a * 9 / 5 + 32",),
        inputs=lambda rng: (rng.randint(-60, 120),),
        reference=lambda value: 32 + 1.8 * value,
        edges=((0,), (100,), (-40,)),
    ),
    numbers(
        names="clamp limit clip",
        signatures=("x, low, high", "value, low, high", "n, low, high", "x, lower, upper"),
        wordings="""
            {Clamp|Limit|Restrict} $a to the range from $b to $c.
            Return $a, but {not below|at least} $b and {not above|at most} $c.
            Return $b if $a is {below|less than} it, $c if $a is {above|more than} it, else $a.
            {Keep $a|Force $a to be} between $b and $c.
            Cut $a off at $b from below and at $c from above.
            The number nearest to $a that lies within $b and $c.
        """,
        bodies=(
            "return max($b, min($a, $c))",
            """
            if $a < $b:
                return $b
            if $a > $c:
                return $c
            return $a
            """,
        ),
        inputs=lambda rng: (rng.randint(-9, 19), rng.randint(-5, 2), rng.randint(5, 12)),
        reference=lambda value, low, high: sorted([low, value, high])[1],
        edges=((5, 0, 10), (-5, 0, 10), (15, 0, 10), (0, 0, 10)),
        telling=False,
    ),
    numbers(
        names="primes_up_to list_primes primes_below_or_equal",
        signatures=NUMBER,
        wordings="""
            Return {all|a list of all|the list of} primes up to $a.
            {Find|Get|List} all the {primes|prime numbers} from 2 to $a{|, $a included}.
            Return the {primes|prime numbers} that are {at most|not larger than} $a.
            {Find|List|Collect} {every prime|each prime number} up to {and including $a|$a}.
            Which numbers up to $a are prime? Give them in a list.
            The ascending list of all primes that do not exceed $a.
        """,
        bodies=(
            """
            result = []
            for i in range(2, $a + 1):
                if all(i % prime for prime in result):
                    result.append(i)
            return result
            """,
        ),
        inputs=lambda rng: (rng.randint(3, 60),),
        reference=lambda value: [i for i in range(2, value + 1) if not any(i % d == 0 for d in range(2, i))],
        edges=((0,), (1,), (2,), (10,), (13,)),
    ),
    numbers(
        names="distance euclidean_distance point_distance",
        signatures=("x1, y1, x2, y2",),
        wordings="""
            Return the distance between the points (x1, y1) and (x2, y2).
            {Compute|Find|Get} the {distance|Euclidean distance} {between|of} two points{| in the plane}.
            {Compute|Find|Get} how far (x1, y1) is from (x2, y2).
            Return the {Euclidean|straight} distance from (x1, y1) to (x2, y2).
            How long is the straight line from (x1, y1) to (x2, y2)?
            The length of the segment whose ends are two given points.
        """,
        bodies=("return ((x1 - x2) ** 2 + (y1 - y2) ** 2) ** 0.5",),
        inputs=lambda rng: tuple(rng.randint(-9, 9) for _ in range(4)),
        reference=lambda x1, y1, x2, y2: math.hypot(x2 - x1, y2 - y1),
        edges=((0, 0, 3, 4), (1, 1, 1, 1)),
    ),
    numbers(
        names="collatz_steps collatz count_collatz_steps",
        signatures=NUMBER,
        wordings="""
            Return how many Collatz steps lead from $a to 1.
            Count the steps of the Collatz sequence from $a until it reaches 1.
            Halve $a if it is even, else take 3 * $a + 1. Return after how many steps it is 1.
            Count how often $a must be halved, or tripled plus one if odd, until it is 1.
            The length of the way from $a to 1 in the Collatz problem, in steps.
            How many moves does the 3n + 1 game need from $a to one?
        """,
        bodies=(
            """
            count = 0
            while $a != 1:
                $a = $a // 2 if $a % 2 == 0 else 3 * $a + 1
                count += 1
            return count
            """,
        ),
        inputs=lambda rng: (rng.randint(2, 60),),
        reference=collatz,
        edges=((1,), (2,), (6,)),
    ),
    numbers(
        names="product_of_digits digit_product multiply_digits",
        signatures=NUMBER,
        wordings="""
            Return the product of the digits of $a.
            Compute the product of the digits of a number.
            Multiply all the digits of $a.
            Return what the digits of $a give when multiplied.
            Take the decimal digits of $a and give their product.
            What do you get if you multiply all digits of a number?
        """,
        bodies=(
            """
            result = 1
            for digit in str($a):
                result *= int(digit)
            return result
            """,
        ),
        inputs=lambda rng: (rng.randint(10, 9999),),
        reference=lambda value: math.prod(map(int, str(value))),
        edges=((0,), (7,), (10,), (234,)),
    ),
)
