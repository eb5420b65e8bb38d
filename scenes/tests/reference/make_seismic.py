"""Make scenes/tests/reference/seismic/: small SEG-Y files, and the amplitudes that segyio reads from them.

    pip install -r tests/reference/requirements.txt
    python scenes/tests/reference/make_seismic.py

Each `NAME.sgy` has its amplitudes in `NAME.npy`, `[samples, traces]`, float32. The volume's are
those of inline 11, its second. The values are exact in IBM floats too, but for those of `ibm`,
which are what a conversion makes of arbitrary numbers.
"""

from pathlib import Path

import numpy as np
import segyio

FOLDER = Path(__file__).resolve().parent / "seismic"
TRACES, SAMPLES = 7, 20


def amplitudes(kind):
    random = np.random.default_rng(1953)
    values = random.normal(0, 1000, (TRACES, SAMPLES))
    values[0, :4] = [0, 1, -1, 118.625]
    if kind in (2, 3, 8):
        return np.clip(np.round(values / (100 if kind == 8 else 1)), -128 if kind == 8 else -32000, 127 if kind == 8 else 32000)
    # Over many orders of magnitude.
    values[1] *= 10.0 ** np.linspace(-20, 20, SAMPLES)
    return values


def line(name, kind, endian="big", extended=0):
    spec = segyio.spec()
    spec.format = kind
    spec.samples = np.arange(SAMPLES) * 4.0
    spec.tracecount = TRACES
    spec.endian = endian
    spec.ext_headers = extended
    dtype = {1: np.float32, 2: np.int32, 3: np.int16, 5: np.float32, 8: np.int8}[kind]
    values = amplitudes(kind).astype(dtype)
    path = FOLDER / f"{name}.sgy"
    with segyio.create(path, spec) as file:
        file.text[0] = segyio.tools.create_text_header({1: f"CONVLENS TEST {name.upper()}"})
        for extra in range(extended):
            file.text[1 + extra] = segyio.tools.create_text_header({1: f"EXTENDED {extra}"})
        file.bin[segyio.BinField.SEGYRevision] = 1 if extended else 0
        file.bin[segyio.BinField.TraceFlag] = 1
        for i in range(TRACES):
            file.header[i] = {segyio.TraceField.CDP: i + 1, segyio.TraceField.TRACE_SAMPLE_COUNT: SAMPLES}
            file.trace[i] = values[i]
    with segyio.open(path, ignore_geometry=True, endian=endian) as file:
        read = np.stack([trace.copy() for trace in file.trace], axis=1)
    np.save(FOLDER / f"{name}.npy", read.astype(np.float32))


def volume():
    spec = segyio.spec()
    spec.format = 5
    spec.sorting = 2
    spec.samples = np.arange(SAMPLES) * 4.0
    spec.ilines, spec.xlines = [10, 11, 12], [100, 101, 102, 103]
    path = FOLDER / "volume.sgy"
    with segyio.create(path, spec) as file:
        trace = 0
        for inline in spec.ilines:
            for crossline in spec.xlines:
                file.header[trace] = {
                    segyio.TraceField.INLINE_3D: inline,
                    segyio.TraceField.CROSSLINE_3D: crossline,
                }
                file.trace[trace] = (inline + crossline / 1000 + np.arange(SAMPLES) / 64).astype(np.float32)
                trace += 1
    with segyio.open(path) as file:
        np.save(FOLDER / "volume.npy", file.iline[11].T.astype(np.float32))


def main():
    FOLDER.mkdir(exist_ok=True)
    line("ibm", 1)
    line("ieee", 5)
    line("int32", 2)
    line("int16", 3)
    line("int8", 8)
    line("little", 5, endian="little")
    line("extended", 1, extended=2)
    volume()
    np.save(FOLDER / "double.npy", np.asfortranarray(amplitudes(5).T))
    sizes = {path.name: path.stat().st_size for path in sorted(FOLDER.iterdir())}
    print(sizes, sum(sizes.values()))


if __name__ == "__main__":
    main()
