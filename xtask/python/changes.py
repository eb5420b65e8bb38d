"""What differs between the stored outputs of a notebook and new ones.

Texts are compared exactly, pictures as an eye would see them from some steps away.
"""

import base64
import io

from PIL import Image

from cells import code_cells

PICTURES = ("image/png", "image/jpeg")
# Pictures are compared by the mean colours of so many blocks each way.
BLOCKS = 24
# Of two pictures that look the same: packed anew, or computed by another processor's roundings.
SAME = 0.03


def changes(before, after):
    """(number of the cell, what changed) for each cell of `after` whose outputs are others."""
    stored = {}
    for _, cell in code_cells(before):
        stored.setdefault(cell.source, []).append(cell)
    for number, cell in code_cells(after):
        known = stored.get(cell.source)
        if not known:
            yield number, "is new or was edited"
            continue
        for change in between(parts(known.pop(0)), parts(cell)):
            yield number, change


def parts(cell):
    """The outputs of a cell by their kind: what is printed in one, what is shown in the other."""
    found = {}
    for output in cell.outputs:
        if output.output_type == "stream":
            found.setdefault(output.name, []).append(output.text)
        for kind, content in output.get("data", {}).items():
            found.setdefault(kind, []).append(content)
    return found


def between(before, after):
    for kind in sorted({*before, *after}):
        old, new = before.get(kind, []), after.get(kind, [])
        if kind not in PICTURES:
            if old != new:
                yield f"{kind} changed: {first_difference(old, new)}"
            continue
        if len(old) != len(new):
            yield f"{len(new)} {kind} where {len(old)} stood"
            continue
        for one, other in zip(old, new):
            if one != other:
                change = distance(base64.b64decode(one), base64.b64decode(other))
                if change:
                    yield f"{kind} changed: {change}"


def first_difference(old, new):
    old, new = "\n".join(old).splitlines(), "\n".join(new).splitlines()
    for at in range(max(len(old), len(new))):
        one = old[at] if at < len(old) else None
        other = new[at] if at < len(new) else None
        if one != other:
            return f"{shortened(one)} became {shortened(other)}"
    return "only the ends of lines"


def shortened(line):
    if line is None:
        return "nothing"
    return repr(line if len(line) <= 80 else line[:79] + "…")


def distance(one, other):
    """How far two pictures are apart, in words; None when they look the same."""
    one, other = decode(one), decode(other)
    if one.size != other.size:
        return "{} x {} became {} x {}".format(*one.size, *other.size)
    apart = furthest(one, other)
    return f"{apart:.2f} apart, of 1" if apart > SAME else None


def furthest(one, other):
    """The greatest difference between the mean colours of two blocks at the same place: 0 for the
    same picture, 1 where black became white."""
    blocks = tuple(min(BLOCKS, side) for side in one.size)
    one, other = (picture.resize(blocks, Image.Resampling.BOX).tobytes() for picture in (one, other))
    return max(abs(a - b) for a, b in zip(one, other)) / 255


def decode(data):
    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")
