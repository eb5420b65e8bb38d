"""The noise of src/attribution/noise.rs, which peers are given in place of their own.

rand 0.8's StdRng is ChaCha with 12 rounds, whose key comes from the seed by PCG32; a uniform float32
is made of the upper 23 bits of each word, and two of them make two normal ones (Box and Muller).
"""

import numpy as np


class Noise:
    def __init__(self, seed=0):
        key, state = [], seed
        for _ in range(8):
            state = (state * 6364136223846793005 + 11634580027462260723) % 2**64
            word, turn = ((state >> 18 ^ state) >> 27) % 2**32, state >> 59
            key.append((word >> turn | word << (32 - turn)) % 2**32)
        self.key = np.array(key, dtype=np.uint32)
        self.at = 0

    def normal(self, shape):
        """Of standard deviation 1."""
        count = int(np.prod(shape))
        pairs = self.uniform(2 * -(-count // 2)).reshape(-1, 2)
        radius = np.sqrt(np.float32(-2) * np.log(pairs[:, 0]))
        angle = np.float32(2 * np.pi) * pairs[:, 1]
        both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return both.reshape(-1)[:count].reshape(shape)

    def uniform(self, count):
        """Above 0 and below 1."""
        bits = self.words(count) >> np.uint32(9) | np.uint32(0x3F800000)
        smallest = np.float32(2.0**-23)
        return (bits.view(np.float32) - np.float32(1)) * (np.float32(1) - smallest) + smallest

    def fractions(self, count):
        """From 0 up to 1, float64."""
        low, high = np.uint64(self.words(2 * count)).reshape(-1, 2).T
        return (low | high << np.uint64(32)) // np.uint64(2**11) * 2.0**-53

    def words(self, count):
        first, last = self.at // 16, -(-(self.at + count) // 16)
        words = chacha(self.key, np.arange(first, last, dtype=np.uint32)).reshape(-1)
        start = self.at - 16 * first
        self.at += count
        return words[start : start + count]


def chacha(key, counters, rounds=12):
    """[blocks, 16]"""
    state = np.zeros((16, len(counters)), dtype=np.uint32)
    state[:4] = np.frombuffer(b"expand 32-byte k", dtype=np.uint32)[:, None]
    state[4:12] = key[:, None]
    state[12] = counters
    x = state.copy()

    def mix(a, b, c, d):
        for one, other, turned, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[one] += x[other]
            mixed = x[turned] ^ x[one]
            x[turned] = mixed << np.uint32(bits) | mixed >> np.uint32(32 - bits)

    for _ in range(rounds // 2):
        for i in range(4):
            mix(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            mix(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return (x + state).T
