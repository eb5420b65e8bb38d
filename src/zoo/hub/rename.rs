//! Published names of tensors that differ from those of our layers.

use crate::error::Result;
use crate::model::Weights;
use crate::tensor::IntoResult;

/// How the names in an architecture's published files become ours. Names that are ours already
/// stay, so that one rule serves all files of an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rename {
    /// They are ours.
    Nothing,
    /// torchvision's file is older than its code: `denselayer1.norm.1` is `denselayer1.norm1`.
    DenseNet,
    /// timm's VGGs end in convolutions, `pre_logits.fc1`, where torchvision's have linear layers,
    /// `classifier.0`.
    TimmVgg,
}

impl Rename {
    /// All of `weights` under our names and in our shapes.
    pub(super) fn apply(self, weights: Weights) -> Result<Weights> {
        match self {
            Rename::Nothing => Ok(weights),
            Rename::DenseNet => {
                Ok(weights.into_iter().map(|(name, tensor)| (dense_net(name), tensor)).collect())
            }
            Rename::TimmVgg => weights
                .into_iter()
                .map(|(name, tensor)| {
                    let Some(ours) = timm_vgg(&name) else { return Ok((name, tensor)) };
                    if tensor.dim() != 4 {
                        return Ok((ours, tensor));
                    }
                    // [4096, 512, 7, 7] -> [4096, 25088]
                    let flat = tensor.f_flatten(1, -1).into_result();
                    Ok((ours, flat.map_err(|e| e.while_doing(format!("flattening {name}")))?))
                })
                .collect(),
        }
    }
}

/// `features.denseblock1.denselayer2.norm.1.weight` -> `….denselayer2.norm1.weight`.
fn dense_net(name: String) -> String {
    if !name.contains(".denselayer") {
        return name;
    }
    ["norm", "relu", "conv"].iter().fold(name, |name, kind| {
        name.replace(&format!(".{kind}.1."), &format!(".{kind}1."))
            .replace(&format!(".{kind}.2."), &format!(".{kind}2."))
    })
}

fn timm_vgg(name: &str) -> Option<String> {
    [
        ("pre_logits.fc1.", "classifier.0."),
        ("pre_logits.fc2.", "classifier.3."),
        ("head.fc.", "classifier.6."),
    ]
    .iter()
    .find_map(|(theirs, ours)| Some(format!("{ours}{}", name.strip_prefix(theirs)?)))
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;

    fn weights(names: &[(&str, &[i64])]) -> Weights {
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, tch::Device::Cpu));
        names.iter().map(|(name, shape)| ((*name).to_owned(), zeros(shape))).collect()
    }

    fn shapes(weights: &Weights) -> Vec<(&str, Vec<i64>)> {
        weights.iter().map(|(name, tensor)| (name.as_str(), tensor.size())).collect()
    }

    #[test]
    fn dense_nets_old_names_become_the_new_ones() {
        let old = weights(&[
            ("features.conv0.weight", &[1]),
            ("features.denseblock1.denselayer12.conv.2.weight", &[1]),
            ("features.denseblock1.denselayer2.norm.1.running_mean", &[1]),
            ("features.denseblock1.denselayer2.norm2.bias", &[1]),
            ("features.transition1.norm.weight", &[1]),
        ]);
        let names: Vec<String> = Rename::DenseNet.apply(old).unwrap().into_keys().collect();
        assert_eq!(
            names,
            [
                "features.conv0.weight",
                "features.denseblock1.denselayer12.conv2.weight",
                "features.denseblock1.denselayer2.norm1.running_mean",
                "features.denseblock1.denselayer2.norm2.bias",
                "features.transition1.norm.weight",
            ]
        );
    }

    #[test]
    fn timms_vgg_gets_linear_layers() {
        let timms = weights(&[
            ("features.0.weight", &[4, 3, 3, 3]),
            ("head.fc.bias", &[5]),
            ("head.fc.weight", &[5, 6]),
            ("pre_logits.fc1.weight", &[6, 4, 7, 7]),
            ("pre_logits.fc2.weight", &[6, 6, 1, 1]),
        ]);
        assert_eq!(
            shapes(&Rename::TimmVgg.apply(timms).unwrap()),
            [
                ("classifier.0.weight", vec![6, 196]),
                ("classifier.3.weight", vec![6, 6]),
                ("classifier.6.bias", vec![5]),
                ("classifier.6.weight", vec![5, 6]),
                ("features.0.weight", vec![4, 3, 3, 3]),
            ]
        );
    }
}
