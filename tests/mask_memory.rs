//! What making a large mask holds at its worst. A process of its own, so that nothing else allocates.
//! Linux only: nobody else tells a process its own peak.

#![cfg(target_os = "linux")]

#[allow(dead_code)]
mod peak;

use convlens::mask::Mask;
use tch::{Kind, Tensor};

unsafe extern "C" {
    safe fn mallopt(parameter: i32, value: i32) -> i32;
}

/// glibc's: what is at least as large has a place of its own, which the system gets back at once.
/// glibc raises the size when a large block is freed, and then the rows' blocks pile up in its heap.
const M_MMAP_THRESHOLD: i32 = -3;

#[test]
fn a_mask_takes_two_bytes_a_pixel_and_a_few_rows() {
    assert_eq!(mallopt(M_MMAP_THRESHOLD, 1 << 16), 1);
    let side = 4_000;
    let pixels = side * side;
    let numbers = Tensor::randint(7, [side, side], (Kind::Int64, tch::Device::Cpu));
    let scores = Tensor::rand([1, 3, side, side], tch::kind::FLOAT_CPU);
    for tensor in [numbers, scores] {
        let mut mask = None;
        let peak = peak::peak(|| mask = Mask::from_tensor(&tensor, None).ok());
        let mask = mask.expect("a mask");
        assert_eq!(mask.labels().len() as i64, pixels);
        let places = [0, side * side / 2 + 1, pixels - 1];
        for place in places {
            let (y, x) = (place / side, place % side);
            let expected = match tensor.dim() {
                2 => tensor.int64_value(&[y, x]),
                _ => tensor.select(2, y).select(2, x).argmax(1, false).int64_value(&[0]),
            };
            assert_eq!(i64::from(mask.labels()[place as usize]), expected);
        }
        let each = peak as f64 / pixels as f64;
        println!("{each:.1} bytes a pixel");
        assert!(each < 4.0, "{each:.1} bytes a pixel");
    }
}
