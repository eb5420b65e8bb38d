//! How many processors other processes leave to this one, as Linux counts time in `/proc`.

use std::fs;

/// Processor time up to now, in the kernel's ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ticks {
    /// Of all processors on which this process may run, and how many they are.
    all: u64,
    processors: usize,
    /// In which they did nothing, or a virtual machine's host had them: it takes some of the time in which
    /// ours fall asleep and wake again.
    idle: u64,
    /// In which they worked for this process.
    own: u64,
}

impl Ticks {
    fn now() -> Option<Ticks> {
        let read = |name: &str| fs::read_to_string(format!("/proc/{name}")).ok();
        Ticks::parse(&read("stat")?, &read("self/stat")?, &read("self/status")?)
    }

    /// From `/proc/stat`, `/proc/self/stat` and `/proc/self/status`.
    fn parse(machine: &str, process: &str, status: &str) -> Option<Ticks> {
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        let mut ticks = Ticks { all: 0, processors: 0, idle: 0, own: 0 };
        for line in machine.lines() {
            let mut words = line.split_ascii_whitespace();
            let number =
                words.next().and_then(|name| name.strip_prefix("cpu")?.parse::<usize>().ok());
            if !number.is_some_and(|number| is_listed(list, number)) {
                continue;
            }
            // user nice system idle iowait irq softirq steal; guests count as user already.
            let times: Vec<u64> = words.take(8).map_while(|word| word.parse().ok()).collect();
            ticks.processors += 1;
            ticks.all += times.iter().sum::<u64>();
            ticks.idle += times.get(3)? + times.get(4)? + times.get(7).unwrap_or(&0);
        }
        // The name before it may hold anything; user and system time are the 14th and 15th words.
        let (_, words) = process.rsplit_once(") ")?;
        let mut own =
            words.split_ascii_whitespace().skip(11).map_while(|word| word.parse::<u64>().ok());
        ticks.own = own.next()? + own.next()?;
        (ticks.processors > 0).then_some(ticks)
    }
}

/// Whether a list such as `0-3,8` names a number.
fn is_listed(list: &str, number: usize) -> bool {
    list.trim().split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let bounds = first.parse::<usize>().ok().zip(last.parse::<usize>().ok());
        bounds.is_some_and(|(first, last)| (first..=last).contains(&number))
    })
}

/// What happens between two calls of [`left`](Load::left).
pub(crate) struct Load {
    before: Ticks,
}

impl Load {
    /// `None` where there is no such count.
    pub(crate) fn new() -> Option<Load> {
        Ticks::now().map(|before| Load { before })
    }

    /// How many processors were idle or ours since the last time, and how many of them ours. `None`
    /// when that is too short ago to tell, or cannot be read any more.
    pub(crate) fn left(&mut self) -> Option<(f64, f64)> {
        let now = Ticks::now()?;
        let left = between(self.before, now)?;
        self.before = now;
        Some(left)
    }
}

fn between(before: Ticks, now: Ticks) -> Option<(f64, f64)> {
    /// A tick more or less is then a few hundredths.
    const LEAST: u64 = 16;
    let all = now.all.checked_sub(before.all).filter(|all| *all >= LEAST)?;
    let share = |now: u64, before: u64| now.saturating_sub(before) as f64 / all as f64;
    let processors = now.processors as f64;
    let own = processors * share(now.own, before.own);
    Some((processors * share(now.idle, before.idle) + own, own))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = "cpu  30 0 6 200 4 0 1 3 9 0\n\
        cpu0 10 0 2 100 2 0 1 1 9 0\ncpu1 10 0 2 50 1 0 0 1 0 0\ncpu2 10 0 2 50 1 0 0 1 0 0\nintr 1\n";
    const PROCESS: &str = "7 (a ) b) S 1 7 7 0 -1 4194304 300 0 0 0 12 5 0 0 20 0 9 0 55 1 2 3";

    #[test]
    fn ticks_are_those_of_the_processors_that_may_be_used() {
        let parse = |list: &str| Ticks::parse(MACHINE, PROCESS, &format!("Name:\ta\n{list}"));
        let all = Ticks { all: 244, processors: 3, idle: 207, own: 17 };
        assert_eq!(parse("Cpus_allowed_list:\t0-2\n"), Some(all));
        let some = Ticks { all: 128, processors: 2, idle: 104, own: 17 };
        assert_eq!(parse("Cpus_allowed_list:\t1,2\n"), Some(some));
        assert_eq!(parse("Cpus_allowed_list:\t64-127\n"), None);
        assert_eq!(parse(""), None);
        assert_eq!(Ticks::parse("", PROCESS, "Cpus_allowed_list:\t0\n"), None);
        assert_eq!(Ticks::parse(MACHINE, "7 (a) S", "Cpus_allowed_list:\t0\n"), None);
        assert_eq!(Ticks::parse("cpu0 1 2\n", PROCESS, "Cpus_allowed_list:\t0\n"), None);
    }

    #[test]
    fn what_is_idle_or_ours_is_left_to_us() {
        let ticks = |all, idle, own| Ticks { all, processors: 2, idle, own };
        let before = ticks(1_000, 500, 100);
        // Two of ours on an idle machine; beside two of others; beside one; asleep beside one.
        assert_eq!(between(before, ticks(1_020, 500, 120)), Some((2.0, 2.0)));
        assert_eq!(between(before, ticks(1_020, 500, 110)), Some((1.0, 1.0)));
        assert_eq!(between(before, ticks(1_020, 504, 106)), Some((1.0, 0.6)));
        assert_eq!(between(before, ticks(1_020, 510, 100)), Some((1.0, 0.0)));
        assert_eq!(between(before, ticks(1_010, 505, 105)), None, "too short");
        assert_eq!(between(before, ticks(10, 5, 5)), None, "backwards");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_can_be_read() {
        let ticks = Ticks::now().expect("/proc");
        assert!(ticks.processors >= 1 && ticks.all >= ticks.idle);
    }
}
