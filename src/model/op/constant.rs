//! Values that no input changes.

use std::fmt;
use std::ops::RangeInclusive;
use std::rc::Rc;

use tch::{Device, Tensor};

use super::general::General;
use super::operator::Makes;
use super::{Init, ParameterSpec};
use crate::error::Result;
use crate::tensor::{IntoResult, plain};

/// Values that are part of the network's description and not of its weights: places to pick from, masks.
#[derive(Clone)]
pub struct Constant(Rc<Tensor>);

impl Constant {
    /// These values.
    ///
    /// # Errors
    /// A tensor that has none, or whose memory is of an unusual kind.
    pub fn new(values: &Tensor) -> Result<Self> {
        Ok(Constant(Rc::new(plain(values)?)))
    }

    pub(crate) fn to(&self, device: Device) -> Result<Self> {
        Ok(Constant(Rc::new(self.0.f_to_device(device).into_result()?)))
    }
}

impl PartialEq for Constant {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0) || {
            let (a, b) = (&self.0, &other.0);
            a.kind() == b.kind() && a.size() == b.size() && a.f_equal(b).unwrap_or(false)
        }
    }
}

impl fmt::Debug for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Constant({:?} {:?})", self.0.kind(), self.0.size())
    }
}

impl General for Constant {
    fn kind(&self) -> &'static str {
        "Constant"
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        0..=0
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, _: &[&[i64]]) -> Result<Vec<i64>> {
        Ok(self.0.size())
    }

    fn apply(&self, _: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        Ok(self.0.shallow_clone())
    }

    fn makes_new_memory(&self) -> bool {
        false
    }

    fn makes(&self) -> Makes {
        Makes::Nothing
    }
}

/// A parameter by itself, which other layers read: a class token, an embedding of positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoneParameter {
    shape: Vec<i64>,
    trainable: bool,
}

impl LoneParameter {
    /// Of this shape; it starts with zeros.
    pub fn new(shape: impl Into<Vec<i64>>) -> Self {
        LoneParameter { shape: shape.into(), trainable: true }
    }

    /// Kept with the weights, but changed by no optimiser.
    pub fn buffer(mut self) -> Self {
        self.trainable = false;
        self
    }
}

impl General for LoneParameter {
    fn kind(&self) -> &'static str {
        "Parameter"
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        0..=0
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        let spec = ParameterSpec::new("value", &self.shape, Init::Constant(0.0));
        vec![if self.trainable { spec } else { spec.buffer() }]
    }

    fn output_shape(&self, _: &[&[i64]]) -> Result<Vec<i64>> {
        Ok(self.shape.clone())
    }

    fn apply(&self, _: &[Tensor], parameters: &[Tensor]) -> Result<Tensor> {
        Ok(parameters[0].shallow_clone())
    }

    fn makes_new_memory(&self) -> bool {
        false
    }

    fn makes(&self) -> Makes {
        Makes::Nothing
    }
}
