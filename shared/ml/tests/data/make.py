#!/usr/bin/env python3
"""Writes the Parquet files beside this one with PyArrow, as others write them: each with another codec and other encodings.

  tests/tools/with-tools sh -c '"$PARAPET_TOOLS/sql/bin/python" shared/ml/tests/data/make.py'
"""

import datetime
import decimal
import os

import pyarrow
import pyarrow.parquet

ROWS = 300
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def main():
    rows = range(ROWS)
    table = pyarrow.table({
        "amount": pyarrow.array([None if i % 7 == 0 else i * 0.5 for i in rows], pyarrow.float64()),
        "ratio": pyarrow.array([float("nan") if i % 10 == 0 else i / 4 for i in rows], pyarrow.float32()),
        "count": pyarrow.array([i - 100 for i in rows], pyarrow.int64()),
        "large": pyarrow.array([4_000_000_000 + i for i in rows], pyarrow.uint32()),
        "price": pyarrow.array([decimal.Decimal(i - 150) / 100 for i in rows], pyarrow.decimal128(10, 2)),
        "country": pyarrow.array(["DE" if i % 3 else "FR" for i in rows]),
        "note": pyarrow.array([None if i % 5 == 0 else f"note {i % 4}" for i in rows]),
        "night": pyarrow.array([i % 2 == 0 for i in rows]),
        "ts": pyarrow.array([START + datetime.timedelta(minutes=i) for i in rows], pyarrow.timestamp("us", "UTC")),
        "day": pyarrow.array([(START + datetime.timedelta(days=i)).date() for i in rows]),
        "tags": pyarrow.array([[i, i + 1] for i in rows]),
        "place": pyarrow.array([{"city": f"c{i % 3}", "height": i} if i % 6 else None for i in rows]),
    })
    delta = {
        "count": "DELTA_BINARY_PACKED",
        "note": "DELTA_BYTE_ARRAY",
        "country": "DELTA_LENGTH_BYTE_ARRAY",
        "ratio": "BYTE_STREAM_SPLIT",
    }
    here = os.path.dirname(os.path.abspath(__file__))
    for name, options in {
        "snappy": {"compression": "snappy"},
        "snappy_v2": {"compression": "snappy", "data_page_version": "2.0"},
        "gzip": {"compression": "gzip", "data_page_version": "2.0"},
        "zstd_delta": {"compression": "zstd", "data_page_version": "2.0", "use_dictionary": False, "column_encoding": delta},
        "plain_delta": {"compression": "none", "use_dictionary": False, "column_encoding": delta},
        "int96": {"compression": "snappy", "use_deprecated_int96_timestamps": True},
        "brotli": {"compression": "brotli"},
    }.items():
        path = os.path.join(here, f"{name}.parquet")
        pyarrow.parquet.write_table(table, path, row_group_size=128, **options)


main()
