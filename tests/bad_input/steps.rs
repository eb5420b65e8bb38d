//! Steps that no training takes.

use convlens::error::Error;
use convlens::prelude::*;

use super::{refused, small};

const ODD: [f64; 6] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e-3, 1e300, 1e31];

#[test]
fn rates_and_decays_that_make_no_sense_are_refused_before_the_first_step() {
    let photos = Tensor::rand([2, 1, 8, 8], tch::kind::FLOAT_CPU);
    let classes = Tensor::from_slice(&[0i64, 1]);
    let model = small();
    let before = model.weights()["conv.weight"].copy();
    for odd in ODD {
        let momentum = Optimizer::Sgd { momentum: odd };
        for (fit, word) in [
            (Fit::default().learning_rate(odd), "learning rate"),
            (Fit::default().weight_decay(odd), "weight decay"),
            (Fit::default().optimizer(momentum), "momentum"),
        ] {
            let error = refused(fit.run(&model, &photos, &classes));
            assert!(matches!(&error, Error::Argument(text) if text.contains(word)), "{error:?}");
        }
        for (vis, word) in [
            (FeatureVis::pixels().size(8).learning_rate(odd), "learning rate"),
            (FeatureVis::pixels().size(8).weight_decay(odd), "weight decay"),
            (FeatureVis::pixels().size(8).optimizer(momentum), "momentum"),
        ] {
            let error = refused(vis.run(&model, Objective::channel("conv", 0)));
            assert!(matches!(&error, Error::Argument(text) if text.contains(word)), "{error:?}");
        }
    }
    assert_eq!(model.weights()["conv.weight"], before);
}

#[test]
fn the_largest_rate_diverges_and_says_so() {
    let photos = Tensor::rand([8, 1, 8, 8], tch::kind::FLOAT_CPU);
    let classes = Tensor::from_slice(&[0i64, 1, 0, 1, 0, 1, 0, 1]);
    for optimizer in [Optimizer::Adam, Optimizer::Sgd { momentum: 0.9 }] {
        let model = small();
        let wild =
            Fit::default().learning_rate(1e30).weight_decay(1e30).optimizer(optimizer).epochs(20);
        let error = refused(wild.run(&model, &photos, &classes));
        assert!(matches!(&error, Error::Argument(text) if text.contains("diverged")), "{error:?}");
        // The network is the best that was reached before.
        let whole = model.weights().values().all(|t| t.isfinite().all().int64_value(&[]) == 1);
        assert!(whole, "{optimizer:?}");
        let wild = FeatureVis::pixels().size(8).steps(20).optimizer(optimizer);
        let wild = wild.learning_rate(1e30).weight_decay(1e30);
        let patterns = wild.run(&model, Objective::channel("conv", 0)).expect("pictures");
        assert!(patterns.get(0).expect("one").tensor().isfinite().all().int64_value(&[]) == 1);
    }
}
