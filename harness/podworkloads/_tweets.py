"""Synthetic tweets about the climate: the published file's place, row count and column types, our own words.

``cvw/twitter/climatechange_tweets_all.csv``: 457,294 rows x scale, 15 columns (5 int64, 2 float64, 8 of text). About one
row in ten is annotated with a stance (-1, 0, 1, 2), and its words lean towards it. Rows are made and written in batches.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from harness.podworkloads._data import Maker, Say

__all__ = ["COLUMNS", "FILE", "TWEETS", "rows_at"]

FILE: Final = "cvw/twitter/climatechange_tweets_all.csv"
COLUMNS: Final = (
    "tweet_id",
    "user_id",
    "created",
    "text",
    "user_name",
    "location",
    "language",
    "source",
    "hashtags",
    "permalink",
    "retweets",
    "likes",
    "replies",
    "stance",
    "sentiment",
)

_ROWS: Final = 457_294
_ANNOTATED: Final = 44_127
_SEED: Final = 2017
_BATCH_ROWS: Final = 50_000
_FIRST_SECOND: Final = 1_430_000_000
_STANCES: Final = np.array([-1, 0, 1, 2])
_STANCE_SHARES: Final = (0.09, 0.18, 0.52, 0.21)
_COMMON_WORDS: Final = 700
_WORDS_A_STANCE: Final = 60
_LEANING: Final = 0.25
_WORDS: Final = (4, 12)
_SYLLABLES: Final = "ba ce di fe gu ha ke li mo nu pa re si to va we ya zo cli mer"
_TOPICS: Final = "climate change warming global energy carbon ice sea heat storm policy science report world"
_PLACES: Final = (
    "London",
    "Paris",
    "Lagos",
    "Lima",
    "Oslo",
    "Delhi",
    "Perth",
    "Quito",
    "Seoul",
    "Texas",
    "Kent",
)
_SOURCES: Final = ("web client", "phone app", "tablet app", "scheduler", "news reader")
_TAGS: Final = ("#climate", "#actnow", "#energy", "#science", "#policy", "#weather")


def rows_at(scale: float) -> int:
    """Return how many rows there are: enough for each stance to be learned."""
    return max(457, round(_ROWS * scale))


def _vocabulary(rng: np.random.Generator, size: int) -> list[str]:
    syllables = _SYLLABLES.split()
    found: dict[str, None] = dict.fromkeys(_TOPICS.split())
    while len(found) < size:
        found["".join(rng.choice(syllables, rng.integers(2, 4)))] = None
    return list(found)


def _write(folder: Path, scale: float, say: Say) -> None:
    path = folder / FILE
    path.parent.mkdir(parents=True)
    words = np.array(
        _vocabulary(np.random.default_rng(_SEED), _COMMON_WORDS + len(_STANCES) * _WORDS_A_STANCE),
        dtype=object,
    )
    total = rows_at(scale)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for first in range(0, total, _BATCH_ROWS):
            say(f"tweets: {first:,} of {total:,} rows")
            writer.writerows(_batch(first, min(_BATCH_ROWS, total - first), words))


def _batch(first: int, count: int, words: Any) -> Iterator[tuple[object, ...]]:
    rng = np.random.default_rng([_SEED, first])
    number = np.arange(first, first + count)
    annotated = (number + 1) * _ANNOTATED // _ROWS > number * _ANNOTATED // _ROWS
    kinds = rng.choice(len(_STANCES), count, p=_STANCE_SHARES)
    users = rng.zipf(1.3, count) % max(50, count // 10)
    tweets = 600_000_000_000_000_000 + number * 7_919 + rng.integers(0, 7_919, count)
    columns: dict[str, Any] = {
        "tweet_id": tweets,
        "user_id": 10_000 + users * 37,
        "created": np.datetime_as_string(
            (_FIRST_SECOND + number * 211 + rng.integers(0, 211, count)).astype("datetime64[s]")
        ),
        "text": _texts(rng, kinds, words),
        "user_name": [f"user_{user}" for user in users.tolist()],
        "location": [_PLACES[i] if i < len(_PLACES) else "" for i in rng.integers(0, 16, count).tolist()],
        "language": ["en" if i else "und" for i in rng.integers(0, 12, count).tolist()],
        "source": [_SOURCES[i] for i in rng.integers(0, len(_SOURCES), count).tolist()],
        "hashtags": [_TAGS[i] if i < len(_TAGS) else "" for i in rng.integers(0, 12, count).tolist()],
        "retweets": rng.zipf(2.0, count) % 10_000,
        "likes": rng.zipf(1.8, count) % 50_000,
        "replies": rng.poisson(0.7, count),
        "stance": [
            f"{s}.0" if a else "" for s, a in zip(_STANCES[kinds].tolist(), annotated.tolist(), strict=True)
        ],
        "sentiment": np.round(np.clip(rng.normal(0.1, 0.4, count), -1, 1), 4),
    }
    columns["permalink"] = [
        f"/u/{user}/status/{tweet % 10**12}"
        for user, tweet in zip(users.tolist(), tweets.tolist(), strict=True)
    ]
    values = [column.tolist() if isinstance(column, np.ndarray) else column for column in columns.values()]
    places = [list(columns).index(name) for name in COLUMNS]
    return zip(*[values[place] for place in places], strict=True)


def _texts(rng: np.random.Generator, kinds: Any, words: Any) -> list[str]:
    """Join common words, by Zipf's law, and words that lean towards the stance."""
    lengths = rng.integers(_WORDS[0], _WORDS[1] + 1, len(kinds))
    owner = np.repeat(kinds, lengths)
    common = (rng.zipf(1.25, len(owner)) - 1) % _COMMON_WORDS
    leaning = _COMMON_WORDS + owner * _WORDS_A_STANCE + rng.integers(0, _WORDS_A_STANCE, len(owner))
    chosen = words[np.where(rng.random(len(owner)) < _LEANING, leaning, common)].tolist()
    ends = np.cumsum(lengths)
    extra = rng.integers(0, 10, len(kinds)).tolist()
    tails = (" https://t.co/", " RT @", "!", " ...", " &amp; more")
    found = []
    for start, end, tail in zip((ends - lengths).tolist(), ends.tolist(), extra, strict=True):
        text = " ".join(chosen[start:end])
        if tail < 2:
            text += f"{tails[tail]}{start % 99_991:x}"
        elif tail < len(tails):
            text += tails[tail]
        found.append(text.capitalize() if tail % 2 else text)
    return found


TWEETS: Final = Maker("tweets", 1, (FILE,), {FILE: COLUMNS}, _write, bytes_at_full_scale=80_000_000)
