//! What charts take as values: numbers of any kind, in any list, and tensors.

use tch::Tensor;

use crate::error::{Error, Result};
use crate::tensor::to_doubles;

/// A number that a chart can draw: of any kind, or a reference to one.
pub trait Number: Copy {
    /// The number in double precision.
    fn number(self) -> f64;
}

macro_rules! numbers {
    ($($kind:ty),*) => {
        $(impl Number for $kind {
            fn number(self) -> f64 {
                self as f64
            }
        })*
    };
}
numbers!(f64, f32, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl<T: Number> Number for &T {
    fn number(self) -> f64 {
        (*self).number()
    }
}

/// The values of a series: a vector, slice or array of numbers of any kind, or a tensor of any
/// shape, by value or, so that a variable stays what it is, by reference.
///
/// ```
/// use convlens::prelude::*;
/// let losses = vec![2.0, 1.1, 0.7];
/// let counts = [3, 5, 4];
/// let weights = Tensor::rand([8, 3], tch::kind::FLOAT_CPU);
/// Chart::lines([("training", &losses)]).picture()?;
/// Chart::lines([("counts", counts)]).picture()?;
/// Chart::histogram([("weights", &weights)]).picture()?;
/// Ok::<(), convlens::Error>(())
/// ```
pub trait Values {
    /// The values in double precision.
    ///
    /// # Errors
    /// When a tensor's values cannot be read.
    fn values(&self) -> Result<Vec<f64>>;
}

impl<V: Values + ?Sized> Values for &V {
    fn values(&self) -> Result<Vec<f64>> {
        (**self).values()
    }
}

impl<T: Number> Values for [T] {
    fn values(&self) -> Result<Vec<f64>> {
        Ok(self.iter().map(Number::number).collect())
    }
}

impl<T: Number> Values for Vec<T> {
    fn values(&self) -> Result<Vec<f64>> {
        self.as_slice().values()
    }
}

impl<T: Number, const N: usize> Values for [T; N] {
    fn values(&self) -> Result<Vec<f64>> {
        self.as_slice().values()
    }
}

impl Values for Tensor {
    /// Row by row.
    fn values(&self) -> Result<Vec<f64>> {
        if !self.defined() {
            return Err(Error::Argument("an undefined tensor has no values to draw".into()));
        }
        to_doubles(self)
    }
}

/// Points `(x, y)` of numbers of any kind: a vector, slice or array of them, or a reference to one.
pub trait Points {
    /// Their places in double precision.
    fn points(&self) -> Vec<(f64, f64)>;
}

impl<P: Points + ?Sized> Points for &P {
    fn points(&self) -> Vec<(f64, f64)> {
        (**self).points()
    }
}

impl<X: Number, Y: Number> Points for [(X, Y)] {
    fn points(&self) -> Vec<(f64, f64)> {
        self.iter().map(|(x, y)| (x.number(), y.number())).collect()
    }
}

impl<X: Number, Y: Number> Points for Vec<(X, Y)> {
    fn points(&self) -> Vec<(f64, f64)> {
        self.as_slice().points()
    }
}

impl<X: Number, Y: Number, const N: usize> Points for [(X, Y); N] {
    fn points(&self) -> Vec<(f64, f64)> {
        self.as_slice().points()
    }
}

/// A name with what has it, `("training", &losses)`, or a reference to such a pair, as the items of
/// `&vec![("training".to_string(), losses)]` are.
pub trait Named {
    /// What has the name.
    type Value;

    /// The name.
    fn name(&self) -> &str;

    /// What has it.
    fn value(&self) -> &Self::Value;
}

impl<S: AsRef<str>, V> Named for (S, V) {
    type Value = V;

    fn name(&self) -> &str {
        self.0.as_ref()
    }

    fn value(&self) -> &V {
        &self.1
    }
}

impl<P: Named + ?Sized> Named for &P {
    type Value = P::Value;

    fn name(&self) -> &str {
        (**self).name()
    }

    fn value(&self) -> &P::Value {
        (**self).value()
    }
}
