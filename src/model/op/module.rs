//! A node that is somebody else's code: a closure, or a module of `tch::nn`.

use std::any::{TypeId, type_name};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use tch::{Kind, Tensor, nn};

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass};
use crate::error::{Error, Result};
use crate::panic::caught;
use crate::tensor::{IntoResult, plain};

/// A closure or a module of `tch::nn` as a layer. What happens inside it stays its own affair:
/// its output can be looked at and differentiated like any other.
///
/// Its output's shape is found out by running it on zeros, in inference mode.
#[derive(Clone)]
pub struct Module {
    kind: &'static str,
    family: Family,
    run: Rc<Forward>,
    /// The output's shape for inputs of these shapes.
    shapes: Rc<RefCell<HashMap<Vec<Shape>, Shape>>>,
}

type Forward = dyn Fn(&[Tensor], bool) -> Tensor;
type Shape = Vec<i64>;

impl Module {
    /// A closure from all inputs and "is this training?" to the output.
    pub fn function(run: impl Fn(&[Tensor], bool) -> Tensor + 'static) -> Self {
        let (kind, shapes) = ("Function", Rc::default());
        Module { kind, family: Family::Other, run: Rc::new(run), shapes }
    }

    /// A module of `tch::nn` with one input.
    pub fn new<M: nn::ModuleT + 'static>(module: M) -> Self {
        let run = move |inputs: &[Tensor], train: bool| module.forward_t(&inputs[0], train);
        Module { kind: kind(type_name::<M>()), family: family::<M>(), ..Self::function(run) }
    }

    /// tch's modules panic at what libtorch refuses.
    fn caught(&self, inputs: &[Tensor], training: bool) -> Result<Tensor> {
        let output = caught(|| (self.run)(inputs, training))?;
        plain(&output).map_err(|error| error.while_doing("what it returned"))
    }
}

impl Operator for Module {
    fn facts(&self) -> Facts {
        Facts {
            kind: self.kind,
            family: self.family,
            inputs: 1..=usize::MAX,
            kernel: None,
            makes_new_memory: false,
            rectifies: None,
            is_local: false,
            makes: Makes::Unknown,
        }
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let key: Vec<Shape> = inputs.iter().map(|shape| shape.to_vec()).collect();
        if let Some(shape) = self.shapes.borrow().get(&key) {
            return Ok(shape.clone());
        }
        let _no_grad = tch::no_grad_guard();
        let zeros: Vec<Tensor> = key
            .iter()
            .map(|shape| {
                Tensor::f_zeros(shape.as_slice(), (Kind::Float, tch::Device::Cpu)).into_result()
            })
            .collect::<Result<_>>()?;
        let shape = self.caught(&zeros, false)?.size();
        if shape.is_empty() {
            return Err(Error::Shape("it returned a single number, not a batch".into()));
        }
        self.shapes.borrow_mut().insert(key, shape.clone());
        Ok(shape)
    }

    fn forward(
        &self,
        inputs: &mut [Tensor],
        parameters: &[Tensor],
        pass: Pass,
        _: bool,
    ) -> Result<Tensor> {
        let _frozen = (pass == Pass::Gradient).then(|| Frozen::new(parameters));
        self.caught(inputs, pass == Pass::Training)
    }

    fn backward(&self, _: &[Tensor], _: &[Tensor], _: &Tensor) -> Result<Gradients> {
        Ok(Gradients::ByAutograd)
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, _: [i64; 2], _: [i64; 2]) -> Option<[Step; 2]> {
        None
    }
}

/// Parameters that are constants for one pass, and afterwards what they were.
struct Frozen(Vec<Tensor>);

impl Frozen {
    fn new(parameters: &[Tensor]) -> Self {
        let trained = parameters.iter().filter(|p| p.requires_grad());
        Frozen(trained.map(|p| p.set_requires_grad(false)).collect())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for parameter in &self.0 {
            let _ = parameter.set_requires_grad(true);
        }
    }
}

/// A module's own type; what is inside a `Sequential` stays its affair.
fn family<M: 'static>() -> Family {
    let is_one_of = |types: &[TypeId]| types.contains(&TypeId::of::<M>());
    let convolutions =
        [TypeId::of::<nn::Conv1D>(), TypeId::of::<nn::Conv2D>(), TypeId::of::<nn::Conv3D>()];
    let transposed = [
        TypeId::of::<nn::ConvTranspose1D>(),
        TypeId::of::<nn::ConvTranspose2D>(),
        TypeId::of::<nn::ConvTranspose3D>(),
    ];
    if is_one_of(&convolutions) {
        Family::Convolution
    } else if is_one_of(&transposed) {
        Family::TransposedConvolution
    } else if is_one_of(&[TypeId::of::<nn::Linear>()]) {
        Family::Linear
    } else {
        Family::Other
    }
}

/// `tch::nn::conv::Conv<[i64; 2]>` is a `Conv2d`.
fn kind(type_name: &'static str) -> &'static str {
    let (path, parameters) = type_name.split_at(type_name.find('<').unwrap_or(type_name.len()));
    let name = path.rsplit("::").next().unwrap_or(path);
    match (name, parameters) {
        ("Conv", "<[i64; 2]>") => "Conv2d",
        ("ConvTranspose", "<[i64; 2]>") => "ConvTranspose2d",
        ("BatchNorm", _) => "BatchNorm2d",
        ("SequentialT", _) => "Sequential",
        ("Func" | "FuncT", _) => "Function",
        _ => name,
    }
}

impl PartialEq for Module {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.run, &other.run)
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Module({})", self.kind)
    }
}
