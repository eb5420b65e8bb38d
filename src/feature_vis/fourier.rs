//! Pictures as frequencies, the high ones smaller in proportion.

use tch::{Device, Kind, TchError, Tensor};

/// lucid divides by 4, which keeps the sigmoid from saturating.
const DAMPING: f64 = 4.0;
/// Rows and columns.
const PLANE: [i64; 2] = [2, 3];

/// What each frequency of a picture is multiplied by, `[h, w/2 + 1, 1]`: `1 / max(f, 1/max(h, w))`.
fn scale(height: i64, width: i64, device: Device) -> Result<Tensor, TchError> {
    let options = (Kind::Double, Device::Cpu);
    let down = Tensor::f_fft_fftfreq(height, 1.0, options)?.f_square()?.f_unsqueeze(1)?;
    let across = Tensor::f_fft_rfftfreq(width, 1.0, options)?.f_square()?.f_unsqueeze(0)?;
    let frequencies = down.f_add(&across)?.f_sqrt()?;
    let scale = frequencies.f_clamp_min(1.0 / height.max(width) as f64)?.f_reciprocal()?;
    scale.f_unsqueeze(-1)?.f_to_kind(Kind::Float)?.f_to_device(device)
}

/// Values `[N, C, h, w]` of a spectrum `[N, C, h, w/2 + 1, 2]`, real and imaginary parts.
pub(super) fn image(spectrum: &Tensor, width: i64) -> Result<Tensor, TchError> {
    let height = spectrum.size().get(2).copied().unwrap_or(1);
    let scaled = spectrum.f_mul(&scale(height, width, spectrum.device())?)?;
    let complex = scaled.f_view_as_complex()?;
    complex.f_fft_irfft2([height, width].as_slice(), PLANE, "ortho")?.f_div_scalar(DAMPING)
}

/// The spectrum of values `[N, C, h, w]`.
pub(super) fn spectrum(values: &Tensor) -> Result<Tensor, TchError> {
    let size = values.size();
    let side = |i: usize| size.get(i).copied().unwrap_or(1);
    let whole = values.f_mul_scalar(DAMPING)?.f_fft_rfft2(None::<&[i64]>, PLANE, "ortho")?;
    whole.f_view_as_real()?.f_div(&scale(side(2), side(3), values.device())?)
}
