//! Any tensor shows itself: a useful answer within a bounded time, never a panic.

use convlens::show::Show;
use convlens::tensor::{Glance, Statistics};
use tch::{Device, Kind, Tensor};

const CPU: Device = Device::Cpu;

fn line(tensor: &Tensor) -> String {
    Glance::new(tensor).line().lines().next().expect("a line").to_owned()
}

#[test]
fn a_plain_tensor_tells_shape_kind_device_range_mean_and_deviation() {
    let t = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.5]);
    assert_eq!(line(&t), "tensor [4] Float Cpu in [1, 4.5] μ=2.625 σ=1.493");
}

#[test]
fn gradients_are_mentioned() {
    let t = Tensor::from_slice(&[1f32, 2.0]).set_requires_grad(true);
    assert!(line(&t).ends_with("requires_grad"), "{}", line(&t));
    assert!(Glance::new(&t).picture().is_some());
}

#[test]
fn nan_and_infinity_are_counted_and_do_not_disturb_the_range() {
    let t = Tensor::from_slice(&[1f32, f32::NAN, 3.0, f32::INFINITY, f32::NEG_INFINITY]);
    assert_eq!(line(&t), "tensor [5] Float Cpu in [1, 3] μ=2 σ=1.414 NaN=1 Inf=2");
    let nothing = Tensor::from_slice(&[f32::NAN; 3]);
    assert_eq!(line(&nothing), "tensor [3] Float Cpu NaN=3");
}

#[test]
fn scalars_empty_and_zero_tensors_say_so() {
    assert_eq!(line(&Tensor::from(2.5f32)), "tensor [] Float Cpu value 2.5");
    assert_eq!(line(&Tensor::zeros([0, 3], (Kind::Float, CPU))), "tensor [0, 3] Float Cpu empty");
    assert_eq!(
        line(&Tensor::zeros([2, 2], (Kind::Int64, CPU))),
        "tensor [2, 2] Int64 Cpu all zero μ=0 σ=0"
    );
    assert_eq!(line(&Tensor::new()), "an undefined tensor");
}

#[test]
fn every_kind_that_libtorch_has_is_read() {
    let source = Tensor::from_slice(&[0f32, 1.0, 2.0, 3.0]).reshape([2, 2]);
    for kind in [
        Kind::Uint8,
        Kind::Int8,
        Kind::Int16,
        Kind::Int,
        Kind::Int64,
        Kind::Half,
        Kind::BFloat16,
        Kind::Float,
        Kind::Double,
        Kind::Float8e5m2,
        Kind::Float8e4m3fn,
        Kind::Float8e5m2fnuz,
        Kind::Float8e4m3fnuz,
    ] {
        let t = source.to_kind(kind);
        let expected = format!("tensor [2, 2] {kind:?} Cpu in [0, 3] μ=1.5 σ=1.291");
        assert_eq!(line(&t), expected);
        assert!(Glance::new(&t).picture().is_some(), "{kind:?}");
    }
    assert_eq!(line(&source.to_kind(Kind::Bool)), "tensor [2, 2] Bool Cpu 75.0 % true");
}

#[test]
fn complex_numbers_show_their_magnitude() {
    for kind in [Kind::ComplexFloat, Kind::ComplexDouble, Kind::ComplexHalf] {
        let t = Tensor::from_slice(&[3f32, 0.0]).to_kind(kind);
        assert_eq!(line(&t), format!("tensor [2] {kind:?} Cpu |z| in [0, 3] μ=1.5 σ=2.121"));
    }
}

#[test]
fn quantised_tensors_show_what_they_stand_for() {
    let t = Tensor::from_slice(&[0f32, 0.5, 1.0, 2.0]);
    for kind in [Kind::QUInt8, Kind::QInt8, Kind::QInt32] {
        let q = t.quantize_per_tensor(0.5, 0, kind);
        assert_eq!(line(&q), format!("tensor [4] {kind:?} Cpu in [0, 2] μ=0.875 σ=0.8539"));
    }
}

#[test]
fn sparse_tensors_tell_how_much_they_store() {
    let dense = Tensor::from_slice(&[0f32, 0.0, 5.0, 7.0]).reshape([2, 2]);
    let coo = dense.to_sparse_sparse_dim(2);
    let expected = "tensor [2, 2] Float Cpu sparse with 2 stored values: in [5, 7] μ=6 σ=1.414";
    assert_eq!(line(&coo), expected);
    let csr = dense.to_sparse_csr(None);
    assert_eq!(line(&csr), expected);
    assert!(Glance::new(&csr).picture().is_none());
}

#[test]
fn views_that_are_not_contiguous_are_read_in_place() {
    let t = Tensor::arange(12, (Kind::Float, CPU)).reshape([3, 4]).transpose(0, 1);
    assert!(line(&t).starts_with("tensor [4, 3] Float Cpu in [0, 11]"));
    let every_other = Tensor::arange(10, (Kind::Float, CPU)).slice(0, None, None, 3);
    assert!(line(&every_other).contains("in [0, 9]"));
}

#[test]
fn a_hundred_million_elements_are_sampled() {
    let t = Tensor::zeros([100_000_000], (Kind::Uint8, CPU));
    let statistics = Statistics::of(&t).expect("statistics");
    assert!(statistics.sampled() && statistics.read <= 1 << 24);
    assert!(line(&t).contains("in a sample of"), "{}", line(&t));
    assert!(Glance::new(&t).picture().is_some());
}

#[test]
fn a_view_that_only_pretends_to_be_huge_does_not_allocate_it() {
    let t = Tensor::from(1.5f32).reshape([1, 1, 1]).expand([100_000, 4_000, 4_000], true);
    let shown = Glance::new(&t);
    assert!(shown.line().contains("n=1600.0e9"), "{}", shown.line());
    let picture = shown.picture().expect("a contact sheet");
    assert!(u64::from(picture.width()) * u64::from(picture.height()) < 8_000_000);
}

#[test]
fn the_shape_chooses_the_picture() {
    let shown =
        |size: &[i64]| Glance::new(&Tensor::rand(size, (Kind::Float, CPU))).picture().cloned();
    for size in [
        &[7][..],
        &[9, 9],
        &[3, 40, 50],
        &[16, 12, 12],
        &[1, 16, 12, 12],
        &[5, 3, 20, 20],
        &[5, 1, 20, 20],
        &[64, 32, 3, 3],
    ] {
        assert!(shown(size).is_some(), "{size:?}");
    }
    for size in [&[][..], &[1], &[2, 2, 2, 2, 2], &[1, 1000, 1, 1]] {
        assert!(shown(size).is_none(), "{size:?}");
    }
}

#[test]
fn bytes_with_the_colours_last_are_a_picture_in_colour() {
    let red = Tensor::zeros([150, 160, 3], (Kind::Uint8, CPU));
    let _ = red.narrow(2, 0, 1).fill_(255);
    let picture = Glance::new(&red).picture().expect("a picture").to_rgb();
    assert_eq!(picture.get_pixel(80, 75).0, [255, 0, 0]);
}

#[test]
fn values_outside_the_unit_range_are_scaled_and_the_text_says_so() {
    let t = Tensor::from_slice(&[-2f32, 2.0]).reshape([1, 1, 2]).expand([3, 2, 2], true);
    let shown = Glance::new(&t);
    assert!(shown.line().contains("colours scaled from [-2, 2]"), "{}", shown.line());
}

#[test]
fn the_gradient_mode_is_left_as_it_was() {
    let weight = Tensor::from(1f32).set_requires_grad(true);
    Glance::new(&weight).bundle();
    assert!((&weight * 2.0).requires_grad());
}

#[test]
fn flat_and_wide_tensors_are_thinned_out_and_not_cut() {
    let stereo = Tensor::zeros([2, 1], (Kind::Float, CPU)).expand([2, 1_000_000_000], true);
    let shown = Glance::new(&stereo);
    assert!(shown.line().contains("drawn thinned out to 2 × "), "{}", shown.line());
    assert!(shown.picture().is_some());
    for size in [[10_000i64, 10_000], [2, 50_000_000]] {
        let t = Tensor::zeros(size, (Kind::Uint8, CPU));
        assert!(Glance::new(&t).picture().is_some(), "{size:?}");
    }
}

#[test]
fn pixels_that_are_not_numbers_have_colours_of_their_own() {
    let t =
        Tensor::from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5]).reshape([1, 1, 4]);
    let t = t.expand([3, 150, 4], true).repeat_interleave_self_int(40, 2, 160);
    let picture = Glance::new(&t).picture().expect("a picture").to_rgb();
    let colours = [10, 50, 90, 130].map(|x| picture.get_pixel(x, 75).0);
    use convlens::picture::{NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY};
    assert_eq!(colours, [NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY, [128; 3]]);
}
