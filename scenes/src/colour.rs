//! Colours as linear shares of reflected light.

pub(super) type Colour = [f32; 3];

pub(super) fn mix(a: Colour, b: Colour, share: f32) -> Colour {
    std::array::from_fn(|i| a[i] + share * (b[i] - a[i]))
}

/// What sRGB calls so, in linear light.
pub(super) fn srgb(hex: u32) -> Colour {
    [hex >> 16, hex >> 8, hex].map(|v| (((v & 255) as f32 / 255.0 + 0.055) / 1.055).powf(2.4))
}
