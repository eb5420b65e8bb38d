//! The names that a pickle with weights may use.

use super::super::{Dtype, Parsed};
use super::Global;

/// What a name means; an error for every name that weights do not need.
pub(super) fn lookup(module: &str, name: &str) -> Parsed<Global> {
    known(module, name).ok_or_else(|| refusal(module, name))
}

fn known(module: &str, name: &str) -> Option<Global> {
    if module == "__torch__" || module.starts_with("__torch__.") {
        return Some(Global::Script);
    }
    Some(match (module, name) {
        ("collections", "OrderedDict" | "Counter") => Global::Dict,
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Global::Tensor,
        ("torch._utils", "_rebuild_tensor_v3") => Global::TypedTensor,
        ("torch._utils", "_rebuild_qtensor") => Global::QuantisedTensor,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::First,
        ("torch._tensor", "_rebuild_from_type_v2") => Global::Subclass,
        ("torch", "Tensor") | ("torch.nn.parameter", "Parameter") => Global::Inert,
        ("torch", "Size") => Global::Size,
        ("torch", "UntypedStorage") | ("torch.storage", "UntypedStorage") => Global::UntypedStorage,
        ("torch" | "torch.cuda", name) if name.ends_with("Storage") => {
            Global::Storage(match name {
                "BoolStorage" => Dtype::Bool,
                "ByteStorage" => Dtype::U8,
                "CharStorage" => Dtype::I8,
                "ShortStorage" => Dtype::I16,
                "IntStorage" => Dtype::I32,
                "LongStorage" => Dtype::I64,
                "HalfStorage" => Dtype::F16,
                "BFloat16Storage" => Dtype::Bf16,
                "FloatStorage" => Dtype::F32,
                "DoubleStorage" => Dtype::F64,
                "QUInt8Storage" => Dtype::U8,
                "QInt8Storage" => Dtype::I8,
                "QInt32Storage" => Dtype::I32,
                _ => return None,
            })
        }
        ("torch", "bool") => Global::Type(Dtype::Bool),
        ("torch", "uint8") => Global::Type(Dtype::U8),
        ("torch", "int8") => Global::Type(Dtype::I8),
        ("torch", "uint16") => Global::Type(Dtype::U16),
        ("torch", "int16") => Global::Type(Dtype::I16),
        ("torch", "float8_e4m3fn") => Global::Type(Dtype::F8E4m3),
        ("torch", "float8_e5m2") => Global::Type(Dtype::F8E5m2),
        ("torch", "float16") => Global::Type(Dtype::F16),
        ("torch", "bfloat16") => Global::Type(Dtype::Bf16),
        ("torch", "uint32") => Global::Type(Dtype::U32),
        ("torch", "int32") => Global::Type(Dtype::I32),
        ("torch", "float32") => Global::Type(Dtype::F32),
        ("torch", "uint64") => Global::Type(Dtype::U64),
        ("torch", "int64") => Global::Type(Dtype::I64),
        ("torch", "float64") => Global::Type(Dtype::F64),
        // TorchScript's typed lists and dicts, which come ready-made.
        (
            "torch.jit._pickle",
            "build_intlist" | "build_doublelist" | "build_boollist" | "build_tensorlist"
            | "restore_type_tag",
        ) => Global::First,
        // How a tensor is quantised, which its parameters tell, and into what, which its storage does.
        ("torch", "quint8" | "qint8" | "qint32")
        | (
            "torch",
            "per_tensor_affine" | "per_channel_affine" | "per_channel_affine_float_qparams",
        ) => Global::Inert,
        // What checkpoints hold besides weights: the epoch, the best accuracy, the arguments.
        ("torch", "device")
        | (
            "builtins" | "__builtin__",
            "set" | "frozenset" | "complex" | "bytearray" | "dict" | "list",
        )
        | ("_codecs", "encode")
        | ("collections", "defaultdict")
        | ("argparse", "Namespace")
        | ("numpy", "dtype")
        | ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar" | "_reconstruct")
        | ("numpy", "ndarray")
        | ("pathlib", "PosixPath" | "WindowsPath") => Global::Inert,
        _ => return None,
    })
}

/// Why a name is refused, and what to do if nothing is wrong with the file.
fn refusal(module: &str, name: &str) -> String {
    let whole: String = format!("{module}.{name}").chars().take(200).collect();
    let types = ["bits", "complex", "float", "int", "qint", "quint", "uint"];
    if matches!(module, "torch" | "torch.cuda")
        && (name.ends_with("Storage") || types.iter().any(|prefix| name.starts_with(prefix)))
    {
        return format!(
            "the file has numbers of the type {whole}, which convlens does not read: convert the \
             weights in Python with .float() and save them again"
        );
    }
    let refusal =
        format!("the file asks for {whole}, which is nothing that weights need; nothing was run");
    // Classes have capitals; what a whole model is pickled with is classes.
    if name.rsplit('.').next().is_some_and(|class| class.starts_with(char::is_uppercase)) {
        refusal
            + ". If this is a whole pickled model, load it in Python and save its weights alone: \
               torch.save(net.state_dict(), path); or save it with its graph: \
               torch.export.save(torch.export.export(net.eval(), (x,)), \"my_network.pt2\"), then \
               Model::open(\"my_network.pt2\")"
    } else {
        refusal
    }
}
