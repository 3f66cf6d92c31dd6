"""A start that imports what takes long, and a handler that uses it once. Needs Debian's
python3-numpy and python3-pandas."""
import numpy
import pandas


def handler(event, context):
    return float(pandas.Series(numpy.arange(5.0)).mean())
