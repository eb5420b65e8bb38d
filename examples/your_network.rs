//! A network written with tch comes under the lens:
//!
//! ```sh
//! cargo run --example your_network
//! ```
//!
//! It learns in a few seconds to tell standing stripes from lying ones, and is then looked into.

use convlens::prelude::*;
use tch::nn;

/// The network as its author wrote it, here with a Sequential and a closure among its parts.
struct Stripes {
    conv1: nn::Conv2D,
    block: nn::SequentialT,
    fc: nn::Linear,
}

impl Stripes {
    fn new(path: &nn::Path) -> Self {
        let padded = nn::ConvConfig { padding: 2, ..Default::default() };
        Stripes {
            conv1: nn::conv2d(path / "conv1", 1, 8, 5, padded),
            block: nn::seq_t()
                .add(nn::conv2d(path / "block" / "0", 8, 8, 3, Default::default()))
                .add(nn::batch_norm2d(path / "block" / "1", 8, Default::default()))
                .add_fn(|x| x.relu()),
            fc: nn::linear(path / "fc", 8, 2, Default::default()),
        }
    }
}

/// The same network under the lens: every name below can be looked at.
fn under_the_lens(store: nn::VarStore, parts: Stripes) -> convlens::Result<Model> {
    let mut net = Model::builder("stripes", [1, 16, 16]).variables(store);
    let x = net.input();
    let x = net.module("conv1", parts.conv1, x);
    let x = net.function("pool", |x, _| x[0].relu().max_pool2d_default(2), &[x]);
    let x = net.module("block", parts.block, x);
    let x = net.chain("head", ops![AdaptiveAvgPool2d::new(1), Op::Flatten], x);
    net.module("fc", parts.fc, x);
    net.classes(["standing", "lying"]).build()
}

/// Stripes of random width and place, `[N, 1, 16, 16]`, and their classes.
fn photos(count: i64) -> (Tensor, Tensor) {
    let float = tch::kind::FLOAT_CPU;
    let phase = Tensor::rand([count, 1, 1, 1], float) * 6.3;
    let stripes = (Tensor::arange(16, float).reshape([1, 1, 1, 16]) * 1.3 + phase).sin();
    let standing = stripes.expand([count, 1, 16, 16], false);
    let classes = Tensor::arange(count, (tch::Kind::Int64, tch::Device::Cpu)).remainder(2);
    let lying = classes.eq(1).reshape([count, 1, 1, 1]);
    (standing.transpose(2, 3).where_self(&lying, &standing).contiguous(), classes)
}

fn main() -> convlens::Result<()> {
    let store = nn::VarStore::new(tch::Device::Cpu);
    let parts = Stripes::new(&store.root());
    let model = under_the_lens(store, parts)?;
    println!("{}\n", model.summary()?);

    tch::manual_seed(1);
    let (x, classes) = photos(128);
    println!("{}\n", Fit::default().epochs(15).learning_rate(0.01).run(&model, &x, &classes)?);

    let look = model.look_input(&x.narrow(0, 0, 1))?;
    println!("{}\n", look.predictions(2)?);
    let folder = std::env::temp_dir();
    look.layer("conv1")?.sheet()?.render()?.picture.save(folder.join("stripes-conv1.png"))?;
    look.explain(&GradCam::at("conv1"))?.picture()?.save(folder.join("stripes-grad-cam.png"))?;
    println!("two pictures are in {}", folder.display());
    Ok(())
}
