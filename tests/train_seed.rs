//! Training is repeatable. A process of its own: dropout draws from libtorch's one generator, which
//! other tests would draw from meanwhile.

use convlens::prelude::*;

fn trained(photos: &Tensor, classes: &Tensor, seed: u64) -> (Fitted, Weights) {
    let mut net = Model::builder("small", [1, 12, 12]);
    let x = net.input();
    let block = ops![Conv2d::new(1, 8, 3), BatchNorm2d::new(8), Op::Relu, Op::Dropout(0.3)];
    let x = net.chain("features", block, x);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.chain("classifier", ops![Op::Flatten, Linear::new(8, 2)], x);
    let model = net.build().expect("a network");
    let fit = Fit::default().epochs(3).batch(16).seed(seed).listener(|_| ());
    (fit.run(&model, photos, classes).expect("a training"), model.weights())
}

#[test]
fn the_same_seed_gives_the_same_network() {
    let photos = Tensor::arange(48 * 144, tch::kind::FLOAT_CPU).sin().reshape([48, 1, 12, 12]);
    let classes = Tensor::arange(48, (tch::Kind::Int64, tch::Device::Cpu)).remainder(2);
    let [(first, a), (second, b), (third, _)] =
        [5, 5, 6].map(|seed| trained(&photos, &classes, seed));
    assert_eq!(first, second);
    assert!(a.iter().all(|(name, tensor)| tensor.equal(&b[name])));
    assert_ne!(first.losses(), third.losses());
}
