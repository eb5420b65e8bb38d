//! Beside other work: the same cells on a quiet machine, beside one busy loop a core, and under a
//! quota of processor time. `cargo xtask bench --busy` runs it, on a machine without other work.
//!
//! Each measurement is a process of its own, since OpenMP reads its variables when it is loaded.
//! A quota needs a cgroup, and making one the rights of root.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use convlens::prelude::*;

type Outcome<T> = Result<T, Box<dyn Error>>;

const WORKS: [&str; 3] = ["FeatureVis", "Occlusion", "100 passes"];
const RUNS: usize = 3;
/// Processes, quiet and busy in turn: a scheduler is fair in the mean of many seconds only.
const TURNS: usize = 5;
/// At most so many times the quiet time beside one busy loop a core: twice is fair.
const MOST: f64 = 2.2;

/// How a process waits and in how many threads, by its variables.
struct Setting {
    name: &'static str,
    variables: fn(&mut Command),
}

const SETTINGS: [Setting; 2] = [
    Setting { name: "convlens", variables: |_| {} },
    Setting {
        name: "libtorch's own choice",
        variables: |command| {
            let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
            let processors = processors.lines().filter(|l| l.starts_with("processor")).count();
            // What OpenMP takes where nothing is set.
            command.env("GOMP_SPINCOUNT", "300000");
            command.env("OMP_NUM_THREADS", processors.max(1).to_string());
        },
    },
];

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["work", name] => work(name),
        ["loop"] => loop {
            black_box(());
        },
        _ => report(),
    }
}

/// Prints the median seconds of a work.
fn work(name: &str) -> Outcome<()> {
    let model = zoo::squeezenet1_1()?;
    let photo = Photo::open("assets/photos/cat_and_dog.jpg")?;
    let look = model.look(&photo)?;
    let input = Tensor::rand([1, 3, 224, 224], (tch::Kind::Float, tch::Device::Cpu));
    let once = || -> Outcome<()> {
        match name {
            "FeatureVis" => {
                let vis = FeatureVis::default().size(128).steps(64).listener(|_| {});
                black_box(vis.run(&model, Objective::channels("features.7", 0..4))?);
            }
            "Occlusion" => {
                black_box(look.explain(&Occlusion::default().window(32).stride(16))?);
            }
            _ => {
                for _ in 0..100 {
                    let _ = black_box(model.forward(&input)?);
                }
            }
        }
        Ok(())
    };
    once()?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        once()?;
        times.push(began.elapsed().as_secs_f64());
    }
    println!("{}", median(times));
    Ok(())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn report() -> Outcome<()> {
    let cores = std::thread::available_parallelism()?.get();
    println!("{:<12} {:<22} {:>9} {:>9} {:>6}", "", "", "quiet", "busy", "ratio");
    let mut worst: f64 = 0.0;
    for name in WORKS {
        for (index, setting) in SETTINGS.iter().enumerate() {
            let (mut quiet, mut busy) = (Vec::new(), Vec::new());
            // The other takes minutes, and its one turn is enough to see that.
            for _ in 0..if index == 0 { TURNS } else { 1 } {
                quiet.push(measure(name, setting, None)?);
                let _loops = Loops::start(cores)?;
                busy.push(measure(name, setting, None)?);
            }
            let (quiet, busy) = (median(quiet), median(busy));
            let ratio = busy / quiet;
            println!("{name:<12} {:<22} {quiet:>7.2} s {busy:>7.2} s {ratio:>6.2}", setting.name);
            if index == 0 {
                worst = worst.max(ratio);
            }
        }
    }
    println!(
        "\nbeside one busy loop a core at most {worst:.2} times the quiet time; {MOST} is allowed\n"
    );
    for share in [1.0, 0.5] {
        let group = match Group::new(share) {
            Ok(group) => group,
            Err(error) => {
                println!("under a quota: skipped, a cgroup cannot be made here ({error})");
                break;
            }
        };
        for name in WORKS {
            let times: Outcome<Vec<String>> = SETTINGS
                .iter()
                .map(|setting| {
                    let seconds = measure(name, setting, Some(&group))?;
                    Ok(format!("{} {seconds:.2} s", setting.name))
                })
                .collect();
            println!("{name:<12} quota of {share} processors: {}", times?.join(", "));
        }
    }
    Ok(())
}

fn measure(name: &str, setting: &Setting, group: Option<&Group>) -> Outcome<f64> {
    let me = std::env::current_exe()?;
    let mut command = match group {
        None => Command::new(me),
        Some(group) => {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(group.members()).arg(me);
            shell
        }
    };
    command.args(["work", name]);
    (setting.variables)(&mut command);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{name} failed: {}", output.status).into());
    }
    // A long work tells its progress before.
    let said = String::from_utf8(output.stdout)?;
    Ok(said.lines().last().unwrap_or_default().trim().parse()?)
}

/// Processes that do nothing, as fast as they can.
struct Loops(Vec<Child>);

impl Loops {
    fn start(count: usize) -> Outcome<Loops> {
        let mut loops = Loops(Vec::new());
        for _ in 0..count {
            loops.0.push(Command::new(std::env::current_exe()?).arg("loop").spawn()?);
        }
        Ok(loops)
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A cgroup whose processes have a share of the processors' time together.
struct Group(PathBuf);

impl Group {
    fn new(share: f64) -> std::io::Result<Group> {
        const PERIOD: u32 = 100_000;
        let quota = (share * f64::from(PERIOD)) as u32;
        let name = format!("convlens-bench-{}", std::process::id());
        let old = Path::new("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
        if old.exists() {
            let group = Group(Path::new("/sys/fs/cgroup/cpu").join(name));
            fs::create_dir_all(&group.0)?;
            fs::write(group.0.join("cpu.cfs_period_us"), PERIOD.to_string())?;
            fs::write(group.0.join("cpu.cfs_quota_us"), quota.to_string())?;
            return Ok(group);
        }
        let group = Group(Path::new("/sys/fs/cgroup").join(name));
        fs::create_dir_all(&group.0)?;
        fs::write(group.0.join("cpu.max"), format!("{quota} {PERIOD}"))?;
        Ok(group)
    }

    fn members(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
