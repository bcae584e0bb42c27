"""Remote write 1.0 requests: protobuf and snappy, as far as they are needed."""

import struct
import urllib.request


def varint(number):
    out = bytearray()
    number &= (1 << 64) - 1
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number):
    return varint(number << 1 ^ number >> 63)


def field(number, kind, body):
    return varint(number << 3 | kind) + body


def block(number, body):
    return field(number, 2, varint(len(body)) + body)


def double(number, value):
    return field(number, 1, struct.pack("<d", value))


def label(name, value):
    return block(1, block(1, name.encode()) + block(2, value.encode()))


def spans(number, of):
    return b"".join(block(number, field(1, 0, zigzag(offset)) + field(2, 0, varint(length))) for offset, length in of)


def histogram(of, timestamp_ms):
    """`of` is a dict: count, sum, schema, zero_threshold, zero_count, positive and negative as (spans, counts), hint,
    custom_values; counts that are all whole are sent as an integer histogram."""
    counts = [of["count"], of.get("zero_count", 0), *of["positive"][1], *of["negative"][1]]
    whole = all(float(count).is_integer() for count in counts) and not of.get("float")
    body = b""
    body += field(1, 0, varint(int(of["count"]))) if whole else double(2, of["count"])
    body += double(3, of["sum"]) + field(4, 0, zigzag(of["schema"])) + double(5, of.get("zero_threshold", 0.0))
    zero = of.get("zero_count", 0)
    body += field(6, 0, varint(int(zero))) if whole else double(7, zero)
    for number, (of_spans, of_counts) in ((8, of["negative"]), (11, of["positive"])):
        body += spans(number, of_spans)
        if whole:
            before, deltas = 0, b""
            for count in of_counts:
                deltas += zigzag(int(count) - before)
                before = int(count)
            body += block(number + 1, deltas) if of_counts else b""
        elif of_counts:
            body += block(number + 2, struct.pack(f"<{len(of_counts)}d", *of_counts))
    body += field(14, 0, varint(of.get("hint", 0))) + field(15, 0, varint(timestamp_ms))
    if of.get("custom_values"):
        body += block(16, struct.pack(f"<{len(of['custom_values'])}d", *of["custom_values"]))
    return block(4, body)


def series(labels, samples):
    """`samples` are (milliseconds, float or histogram)."""
    body = b"".join(label(name, value) for name, value in sorted(labels.items()))
    for timestamp_ms, value in samples:
        if isinstance(value, dict):
            body += histogram(value, timestamp_ms)
        elif isinstance(value, bytes):
            body += block(2, field(1, 1, value) + field(2, 0, varint(timestamp_ms)))
        else:
            body += block(2, double(1, value) + field(2, 0, varint(timestamp_ms)))
    return block(1, body)


def snappy(body):
    """Snappy's block format, nothing compressed."""
    out = bytearray(varint(len(body)))
    for at in range(0, len(body), 65536):
        part = body[at : at + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(part) - 1) + part
    return bytes(out)


def push(base, body):
    request = urllib.request.Request(
        base + "/api/v1/write",
        data=snappy(body),
        headers={
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        response.read()
