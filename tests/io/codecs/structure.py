"""Files taken apart, apart from the code that is tested: their segments, chunks, boxes and blocks."""

import struct


def jpeg_segments(data):
    """Yield the marker and content of each segment before the pixels, and what lies behind the end mark."""
    position = 2
    while data[position + 1] != 0xDA:
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        yield data[position + 1], data[position + 4 : position + 2 + length]
        position += 2 + length
    yield "behind", data[data.index(b"\xff\xd9", position) + 2 :]


def png_chunks(data):
    position = 8
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        yield kind, data[position + 8 : position + 8 + length]
        position += 12 + length
        if kind == b"IEND":
            break
    yield "behind", data[position:]


def webp_chunks(data):
    position, end = 12, 8 + int.from_bytes(data[4:8], "little")
    while position < end:
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        yield data[position : position + 4], data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
    yield "behind", data[end:]


def boxes(data):
    position = 0
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        length = length or len(data) - position
        yield kind, data[position + 8 : position + length]
        position += length


def gif_blocks(data):
    def table(flags):
        return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

    def end(position):
        while data[position]:
            position += data[position] + 1
        return position + 1

    position = 13 + table(data[10])
    yield "header", data[:position]
    while data[position] != 0x3B:
        if data[position] == 0x21:
            stop = end(position + 2)
            yield "extension", data[position:stop]
        else:
            body = position + 10 + table(data[position + 9])
            yield "picture", data[position:body]
            stop = end(body + 1)
        position = stop


def missing(walk, before, after, encoded):
    """Return what a file had and another one has not, but for the parts of the encoding."""
    kept = list(walk(after))
    return [name for name, content in walk(before) if name not in encoded and content and (name, content) not in kept]
