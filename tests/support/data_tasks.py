"""What fifty tasks do in libraries for data that call back: `python data_tasks.py CASE`."""

from __future__ import annotations

import gzip
import io
import sys
from typing import Any

from support.many_tasks import check, later

from switchback import exclusive


class WaitingFile(io.RawIOBase):
    """A file in memory that waits at each read and write."""

    def __init__(self, index: int, content: bytes = b"") -> None:
        self.index = index
        self.file = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return later(self.index, self.file.readinto(buffer), self.file.tell())

    def write(self, content: Any) -> int:
        return later(self.index, self.file.write(content), self.file.tell())

    def seek(self, *place: int) -> int:
        return self.file.seek(*place)

    def tell(self) -> int:
        return self.file.tell()

    def truncate(self, size: int | None = None) -> int:
        return self.file.truncate(size)


def numpy_vectorize(index):
    import numpy as np

    return int(np.vectorize(lambda x: later(index, x * index, x))(np.arange(4)).sum())


def numpy_frompyfunc(index):
    import numpy as np

    function = np.frompyfunc(lambda x: later(index, x * index, x), 1, 1)
    return sum(function(np.arange(4)))


def numpy_fromfunction(index):
    import numpy as np

    return int(np.fromfunction(lambda x: later(index, x * index), (4,)).sum())


def numpy_errstate(index):
    import numpy as np

    seen = []
    with np.errstate(divide="call", call=lambda *_: seen.append(later(index, index))):
        np.array([1.0]) / np.array([0.0])
        seen.append(later(index, np.geterr()["divide"], 1))
        np.array([1.0]) / np.array([0.0])
    return seen


def numpy_objects(index):
    import numpy as np

    class Number:
        def __init__(self, value):
            self.value = value

        def __add__(self, other):
            return Number(later(index, self.value + other.value, self.value))

        def __lt__(self, other):
            return later(index, self.value < other.value, self.value)

    numbers = np.array([Number(value) for value in (3, index, 1)], dtype=object)
    return numbers.sum().value, [number.value for number in np.sort(numbers)]


def pandas_series(index):
    import pandas as pd

    return int(pd.Series(range(4)).apply(lambda x: later(index, x * index, x)).sum())


def pandas_frame(index):
    import pandas as pd

    frame = pd.DataFrame({"a": range(3), "b": [index] * 3})
    return [
        int(value)
        for value in frame.apply(lambda row: later(index, row.a * row.b, int(row.a)), axis=1)
    ]


def pandas_groups(index):
    import pandas as pd

    frame = pd.DataFrame({"key": [0, 1, 0, 1], "value": [index, 1, 2, 3]})
    found = frame.groupby("key")["value"].apply(lambda group: later(index, int(group.sum())))
    return found.tolist()


def polars_series(index):
    import polars as pl

    series = pl.Series(range(4))
    return series.map_elements(lambda x: later(index, x * index, x), return_dtype=pl.Int64).sum()


def polars_groups(index):
    import polars as pl

    frame = pl.DataFrame({"key": [0, 1, 0], "value": [index, 1, 2]})
    groups = frame.group_by("key", maintain_order=True)
    return groups.map_groups(lambda group: later(index, group.sum()))["value"].to_list()


@exclusive
def h5py_file(index):
    import h5py

    place = WaitingFile(index)
    with h5py.File(place, "w") as file:
        file["values"] = list(range(index, index + 100))
    with h5py.File(place, "r") as file:
        return int(file["values"][:].sum())


def pillow_file(index):
    from PIL import Image

    place = WaitingFile(index)
    Image.new("RGB", (40, 30), (index, 2, 3)).save(place, "PNG")
    place.seek(0)
    with Image.open(place) as image:
        return image.getpixel((7, 8)), image.convert("L").point(lambda x: x).size


def zstandard_file(index):
    import zstandard

    content = bytes(range(256)) * 400 + bytes([index])
    place = WaitingFile(index)
    with zstandard.ZstdCompressor().stream_writer(place, closefd=False) as writer:
        for start in range(0, len(content), 30_000):
            writer.write(content[start : start + 30_000])
    place.seek(0)
    read = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(place)).read()
    return read == content


def gzip_file(index):
    content = bytes(range(256)) * 40 + bytes([index])
    place = WaitingFile(index)
    with gzip.GzipFile(fileobj=place, mode="w") as file:
        file.write(content)
    place.seek(0)
    with gzip.GzipFile(fileobj=place) as file:
        return file.read() == content


CASES = {
    "numpy_vectorize": (numpy_vectorize, lambda i: 6 * i),
    "numpy_frompyfunc": (numpy_frompyfunc, lambda i: 6 * i),
    "numpy_fromfunction": (numpy_fromfunction, lambda i: 6 * i),
    "numpy_errstate": (numpy_errstate, lambda i: [i, "call", i]),
    "numpy_objects": (numpy_objects, lambda i: (4 + i, sorted([3, i, 1]))),
    "pandas_series": (pandas_series, lambda i: 6 * i),
    "pandas_frame": (pandas_frame, lambda i: [0, i, 2 * i]),
    "pandas_groups": (pandas_groups, lambda i: [i + 2, 4]),
    "polars_series": (polars_series, lambda i: 6 * i),
    "polars_groups": (polars_groups, lambda i: [i + 2, 1]),
    "h5py_file": (h5py_file, lambda i: sum(range(i, i + 100))),
    "pillow_file": (pillow_file, lambda i: ((i, 2, 3), (40, 30))),
    "zstandard_file": (zstandard_file, lambda i: True),
    "gzip_file": (gzip_file, lambda i: True),
}


if __name__ == "__main__":
    check(*CASES[sys.argv[1]])
