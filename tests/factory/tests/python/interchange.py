"""Writes what the tests read, and checks what they wrote: each file's name is a serializer's options."""

import gzip
import json
import math
import pickle
import struct
import sys
import zlib
from pathlib import Path

import cbor2
import lz4.frame
import msgpack
import zstandard

COMPRESSIONS = {
    "none": (bytes, bytes),
    "gzip": (gzip.compress, gzip.decompress),
    "zlib": (zlib.compress, zlib.decompress),
    "lz4": (lz4.frame.compress, lz4.frame.decompress),
    "zstd": (
        lambda data: zstandard.ZstdCompressor().compress(data),
        lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    ),
}

FORMATS = {
    "json": (lambda value: json.dumps(value).encode(), json.loads),
    "msgpack": (msgpack.packb, lambda data: msgpack.unpackb(data, strict_map_key=False)),
    "cbor": (cbor2.dumps, cbor2.loads),
    **{
        f"pickle:protocol={protocol}": (lambda value, protocol=protocol: pickle.dumps(value, protocol), pickle.loads)
        for protocol in range(6)
    },
}


def floats():
    """As many as show a reader that rounds."""
    state, found = 1, []
    while len(found) < 500:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        value = struct.unpack("<d", struct.pack("<Q", state))[0]
        if math.isfinite(value):
            found.append(value)
    return found


def sample(format):
    """What every format can hold; JSON has no bytes, and texts for keys."""
    plain = format == "json"
    return {
        "text": 'Grüße, 日本 😀 \0 "quoted" \\ \r\n \u2028 \x7f',
        "truth": [True, False],
        "nothing": None,
        "integers": [
            0, -1, 127, 128, 255, 256, -128, -129, 65_535, 65_536, -32_769, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1,
            2**32, 2**53 + 1, 2**63 - 1, -(2**63),
        ],
        "largest": 2**64 - 1,
        "floats": [0.0, -0.0, 0.1, 0.5, 1e16, 1e22, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 3.0] + floats(),
        "bytes": list(range(256)) if plain else bytes(range(256)),
        "no_bytes": [] if plain else b"",
        "nested": {"a": {"b": [{"c": []}, {}], "": [{"日本": ["d", ""]}]}, "e": {}},
        "no_items": [],
        "no_text": "",
        "ports": {"80": "http", "443": "https"} if plain else {80: "http", 443: "https"},
        "shapes": ["Point", {"Circle": 1.5}, {"Box": {"width": 1, "height": -2}}],
        "long": "0123456789" * 30_000,
        "many": list(range(2_500)),
    }


def big(_):
    """Integers of 128 bits."""
    return {"signed": [2**127 - 1, -(2**127), 2**64, -(2**63) - 1], "unsigned": 2**128 - 1}


def infinite(_):
    return [math.inf, -math.inf, math.nan]


def extra(_):
    """What only Python has."""
    shared = ["shared"]
    return {
        "set": {1, 2, 3},
        "frozen": frozenset(["a"]),
        "no_set": set(),
        "pair": (1, "a"),
        "grid": {(1, 2): "x", (3, 4): "y"},
        "array": bytearray(b"\0\xff"),
        "no_array": bytearray(),
        "shared": [shared, shared],
    }


def of_rust(_):
    """The same as Rust writes it: a set is a list, and all bytes are `bytes`."""
    return extra(_) | {"set": [1, 2, 3], "frozen": ["a"], "no_set": [], "array": b"\0\xff", "no_array": b""}


KINDS = {
    "sample": (sample, sample, ["json", "msgpack", "cbor", "pickle"]),
    "big": (big, big, ["json", "cbor", "pickle"]),
    "infinite": (infinite, infinite, ["msgpack", "cbor", "pickle"]),
    "extra": (extra, of_rust, ["pickle"]),
}


def write(folder):
    """Each kind in each format and compression."""
    for kind, (value, _, formats) in KINDS.items():
        (folder / kind).mkdir()
        for name, (dump, _) in FORMATS.items():
            format, _, option = name.partition(":")
            if format not in formats:
                continue
            for compression, (compress, _) in COMPRESSIONS.items():
                file = ":".join(filter(None, [format, compression, option]))
                (folder / kind / file).write_bytes(compress(dump(value(format))))


def same(found, expected):
    """Equal, and of one type at every level."""
    if type(found) is not type(expected):
        return False
    if isinstance(found, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in found)
    if isinstance(found, (list, tuple)):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, float):
        return struct.pack("<d", found) == struct.pack("<d", expected) or math.isnan(found) and math.isnan(expected)
    return found == expected


def read(folder):
    """How many files are there that hold what they should; the first that does not is an error."""
    read = 0
    for kind, (_, value, _) in KINDS.items():
        for file in (folder / kind).iterdir():
            format, compression, *_ = file.name.split(":")
            _, load = next(codec for name, codec in FORMATS.items() if name.startswith(format))
            _, decompress = COMPRESSIONS[compression]
            found, expected = load(decompress(file.read_bytes())), value(format)
            if not same(found, expected):
                sys.exit(f"{kind}/{file.name}: {found!r:.2000}\nis not\n{expected!r:.2000}")
            read += 1
    print(read)


{"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
