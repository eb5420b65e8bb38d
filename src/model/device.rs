//! The same network on another device.

use std::collections::HashMap;

use tch::{Cuda, Device, Tensor, utils};

use super::sub_model::Graph;
use super::{Model, Node, NodeId, Op, Parameter};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

impl Model {
    /// The same network on a device: `Device::Cuda(0)` is the first GPU, where libtorch has one. Everything that
    /// this library does with it is then computed there. Photos and other inputs are moved on their own; results come
    /// back to the CPU, but for what [`parameters`](Model::parameters), [`weights`](Model::weights) and
    /// [`variables`](Model::variables) give, which are the network's own.
    ///
    /// The parameters are copies: this network stays where it is, and training either leaves the other alone. On the
    /// device that it is on already, the network shares them, as a clone does.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// use tch::Device;
    /// let model = zoo::squeezenet1_1()?.to(Device::cuda_if_available())?;
    /// let look = model.look(&Photo::open("assets/photos/cat.png")?)?;
    /// let heat = look.explain(&GradCam::default())?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// A device that is not there, or has too little memory; a layer that is a module of tch with variables of its
    /// own, which cannot be copied: give them to [`Builder::variables`](super::Builder::variables) in a store on that
    /// device.
    pub fn to(&self, device: Device) -> Result<Model> {
        if device == self.device() {
            return Ok(self.clone());
        }
        check_is_there(device)?;
        // A tensor that two layers have is one there as well.
        let mut moved: HashMap<_, Tensor> = HashMap::new();
        for parameter in self.inner.nodes.iter().flat_map(|node| &node.parameters) {
            let tensor = &parameter.tensor;
            let there = tensor.f_detach().and_then(|t| t.f_to_device(device)).into_result()?;
            moved.insert(tensor.data_ptr(), there);
        }
        let there = |tensor: &Tensor| match moved.get(&tensor.data_ptr()) {
            Some(there) => there.shallow_clone(),
            None => tensor.shallow_clone(),
        };
        let mut nodes = Vec::with_capacity(self.inner.nodes.len());
        for node in &self.inner.nodes {
            let op = match &node.op {
                Op::Constant(constant) => Op::Constant(constant.to(device)?),
                Op::Module(_) if !node.parameters.is_empty() => {
                    return Err(Error::Argument(format!(
                        "layer {:?} of {} holds its variables itself, and stays on {:?}: make it in a store on \
                         {device:?}, VarStore::new({device:?}), and give that to Builder::variables",
                        node.name,
                        self.name(),
                        self.device()
                    )));
                }
                op => op.clone(),
            };
            let parameters = node.parameters.iter();
            let parameters =
                parameters.map(|p| Parameter { tensor: there(&p.tensor), ..p.shared() });
            let plain = Node::plain(node.name.clone(), op, node.inputs.clone(), node.shape.clone());
            nodes.push(Node { parameters: parameters.collect(), ..plain });
        }
        let variables = self.variables_of(&self.inner.nodes, device, there);
        let (name, notes) = (self.name().to_owned(), self.notes());
        let places: Vec<NodeId> = (0..nodes.len()).map(NodeId).collect();
        let (inputs, outputs) = (self.inner.inputs.clone(), self.inner.outputs.clone());
        let model = self.of_graph(Graph { name, nodes, inputs, outputs }, &places, variables);
        model.inner.notes.replace(notes);
        let fixed = model.fixed.iter();
        let fixed = fixed.map(|(id, value)| Ok((*id, value.f_to_device(device).into_result()?)));
        let fixed = fixed.collect::<Result<_>>()?;
        Ok(Model { fixed, ..model })
    }
}

/// # Errors
/// A device that libtorch does not have, before it throws.
fn check_is_there(device: Device) -> Result<()> {
    let gpus = if Cuda::is_available() { Cuda::device_count() } else { 0 };
    let missing = match device {
        Device::Cpu => return Ok(()),
        Device::Cuda(number) if (number as i64) < gpus => return Ok(()),
        Device::Mps if utils::has_mps() => return Ok(()),
        Device::Vulkan if utils::has_vulkan() => return Ok(()),
        Device::Cuda(_) => match gpus {
            0 => "libtorch sees no GPU: it must be a build for CUDA, by LIBTORCH, and the driver be there".to_owned(),
            1 => "the only GPU is Device::Cuda(0)".to_owned(),
            some => format!("the GPUs are Device::Cuda(0) to Device::Cuda({})", some - 1),
        },
        _ => "libtorch was built without it".to_owned(),
    };
    Err(Error::Argument(format!("there is no {device:?} here: {missing}")))
}

/// What is computed on a device, for whoever asked.
pub(super) fn back(values: Vec<Tensor>) -> Result<Vec<Tensor>> {
    values.into_iter().map(|value| value.f_to_device(Device::Cpu).into_result()).collect()
}
