"""What a static cell may use, by name. Of what is not here nothing is known."""

from __future__ import annotations

from typing import Final


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Builtins that read their arguments and make something new of them.
BUILTINS: Final = _names(
    "abs all any ascii bin bool bytes chr complex dict divmod enumerate float format frozenset hash hex id int len list"
    " max min oct ord pow print range repr reversed round set sorted str sum tuple type zip"
)

# Attributes and methods that read, of every plain type that has them; no other type of those has one of these that writes.
# `partition` and `conjugate` are not here: an array's write, into it or into their argument.
ATTRIBUTES: Final = _names(
    # of numbers, strings and containers
    "real imag bit_length is_integer hex numerator denominator"
    " capitalize casefold center count encode endswith expandtabs find index isalnum isalpha isascii isdecimal isdigit"
    " isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip removeprefix"
    " removesuffix replace rfind rindex rjust rsplit rstrip split splitlines startswith strip swapcase title"
    " upper zfill decode copy keys values items get isdisjoint issubset issuperset union intersection difference"
    " symmetric_difference"
    # of arrays
    " shape ndim size dtype itemsize nbytes T flat sum mean std var min max prod cumsum cumprod argmin argmax argsort all any"
    " ravel flatten reshape transpose squeeze diagonal trace nonzero tolist item astype round clip"
    # of Series, frames and indexes
    " columns dtypes empty name names axes loc iloc at iat head tail describe median mode quantile nunique unique"
    " value_counts isna isnull notna notnull corr cov abs idxmin idxmax sort_values sort_index nlargest nsmallest"
    " is_unique is_monotonic_increasing is_monotonic_decreasing duplicated drop_duplicates to_string to_dict to_list"
    " to_numpy memory_usage isin between diff rank info first_valid_index last_valid_index"
)

# Keywords that such a function may be given; what it is to write into (`out`, `inplace`, `buf`, `file`) is not among them.
KEYWORDS: Final = _names(
    "axis ascending by n decimals ddof numeric_only dropna normalize sort keepdims sep end default start columns subset on"
    " skipna percentiles include exclude bins deep dtype level keep q index na_position kind reverse ndigits base"
    " encoding errors maxsplit"
)

# Methods of arrays and frames may take something to write into as a later positional argument: `a.sum(axis, dtype, out)`.
METHOD_ARGUMENTS_MOST: Final = 1
# These have none such, whatever has them.
NATIVE_METHODS: Final = _names(
    "center count encode endswith expandtabs find index join ljust lstrip replace rfind rindex rjust rsplit"
    " rstrip split startswith strip zfill get union intersection difference"
)

_OF_MATH: Final = _names(
    "acos acosh asin asinh atan atan2 atanh ceil comb copysign cos cosh degrees dist erf erfc exp expm1 fabs factorial"
    " floor fmod frexp fsum gamma gcd hypot isclose isfinite isinf isnan isqrt lcm ldexp lgamma log log10 log1p log2"
    " modf perm pow prod radians remainder sin sinh sqrt tan tanh trunc ulp"
)
_OF_NUMPY: Final = _names(
    "sum mean std var min max amin amax median prod ptp argmin argmax argsort sort unique abs absolute sqrt exp log"
    " log2 log10 log1p sin cos tan isnan isfinite isinf sign floor ceil square shape ndim size nonzero count_nonzero"
    " cumsum cumprod diff ravel transpose squeeze any all bincount zeros ones arange"
)
_OF_NUMPY_WITH_TWO: Final = _names(
    "dot percentile quantile array_equal allclose isclose corrcoef maximum minimum add subtract multiply divide power"
    " linspace full reshape"
)
_OF_PANDAS: Final = _names("isna isnull notna notnull unique")

# Functions of modules: how many positional arguments each may have; what comes after is what it writes into.
FUNCTIONS: Final = {
    "math": dict.fromkeys(_OF_MATH, 255),
    "numpy": {**dict.fromkeys(_OF_NUMPY, 1), **dict.fromkeys(_OF_NUMPY_WITH_TWO, 2)},
    "pandas": dict.fromkeys(_OF_PANDAS, 1),
}
CONSTANTS: Final = {
    "math": _names("pi e tau inf nan"),
    "numpy": _names("pi e inf nan newaxis float32 float64 int32 int64 uint8"),
    "pandas": _names("NA NaT"),
}
