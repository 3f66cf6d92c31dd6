"""Calls of many functions as they come on the open road: who is called follows Zipf's law, when is
by chance (a Poisson process). The same seed gives the same calls.

The function of rank k is called in proportion to 1 / k ** exponent. With an exponent of 1 and 2,000
functions the first gets 12 calls in a hundred, the first twenty 44, and the last thousand 8: some
are always warm, most are called hardly ever. That is the shape, if not the extreme, of what was
published of a large cloud's functions.
"""
import bisect
import itertools
import random


def weights(functions, exponent):
    return [1 / rank**exponent for rank in range(1, functions + 1)]


def arrivals(functions, exponent, rate, seconds, seed):
    """(moment, function) of each call: seconds from the beginning, and a rank from 0 on."""
    chance = random.Random(seed)
    steps = list(itertools.accumulate(weights(functions, exponent)))
    calls = []
    moment = chance.expovariate(rate)
    while moment < seconds:
        at = bisect.bisect_left(steps, chance.random() * steps[-1])
        calls.append((moment, min(at, functions - 1)))
        moment += chance.expovariate(rate)
    return calls
