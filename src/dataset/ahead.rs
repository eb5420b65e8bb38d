//! Work done in threads, so much at a time, and handed over in order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::error::{Error, Result};

/// As many threads as there are processors.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Calls `work` for every index from 0 to `count`, in `threads` threads, and `each` with the results in
/// the order of the indices, in this thread. The first `ahead` results are made, and when `each` has had
/// all of these, as many more as it said at the last: what it does then, with threads of its own, has
/// the processor to itself. What was not begun when `each` fails is not done.
pub(crate) fn in_order<T: Send>(
    count: usize,
    threads: usize,
    ahead: usize,
    work: impl Fn(usize) -> T + Sync,
    mut each: impl FnMut(usize, T) -> Result<usize>,
) -> Result<()> {
    let mut limit = ahead.clamp(1, count.max(1));
    let shelf = Shelf {
        state: Mutex::new(State { next: 0, limit: limit.min(count), done: BTreeMap::new() }),
        room: Condvar::new(),
        ready: Condvar::new(),
    };
    thread::scope(|scope| {
        let started = (0..threads.clamp(1, count.max(1)))
            .filter(|_| {
                let builder = thread::Builder::new().name("decoder".into());
                builder.spawn_scoped(scope, || shelf.fill(&work)).is_ok()
            })
            .count();
        // Whatever happens below, the threads must end, or the scope waits for ever.
        let _closed = Closed(&shelf);
        for index in 0..count {
            let result = match started {
                0 => work(index),
                _ => shelf.take(index).ok_or_else(stopped)?,
            };
            let more = each(index, result)?;
            if index + 1 == limit && limit < count {
                limit = limit.saturating_add(more.max(1)).min(count);
                shelf.make_room(limit);
            }
        }
        Ok(())
    })
}

fn stopped() -> Error {
    Error::Argument("a thread that reads photos ended before its work was done".into())
}

struct State<T> {
    /// The first index that nobody works on.
    next: usize,
    /// The index at which the threads wait.
    limit: usize,
    done: BTreeMap<usize, T>,
}

struct Shelf<T> {
    state: Mutex<State<T>>,
    room: Condvar,
    ready: Condvar,
}

impl<T> Shelf<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does.
    fn fill(&self, work: &(impl Fn(usize) -> T + Sync)) {
        // A panic in here must wake whoever waits for the result.
        let _woken = Closed(self);
        while let Some(index) = self.begin() {
            let result = work(index);
            self.lock().done.insert(index, result);
            self.ready.notify_all();
        }
        std::mem::forget(_woken);
    }

    /// The next index to work on, once there is room for its result.
    fn begin(&self) -> Option<usize> {
        let full = |state: &mut State<T>| state.next >= state.limit && state.limit != CLOSED;
        let mut state = self.room.wait_while(self.lock(), full);
        let state = match &mut state {
            Ok(state) => state,
            Err(poisoned) => poisoned.get_mut(),
        };
        (state.limit != CLOSED).then(|| {
            state.next += 1;
            state.next - 1
        })
    }

    fn take(&self, index: usize) -> Option<T> {
        let missing =
            |state: &mut State<T>| !state.done.contains_key(&index) && state.limit != CLOSED;
        let state = self.ready.wait_while(self.lock(), missing);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.done.remove(&index)
    }

    /// Lets the threads go on up to this index.
    fn make_room(&self, limit: usize) {
        let mut state = self.lock();
        if state.limit != CLOSED {
            state.limit = limit;
            self.room.notify_all();
        }
    }
}

/// As a limit: no more is wanted.
const CLOSED: usize = usize::MAX;

/// Ends the work when it is dropped.
struct Closed<'a, T>(&'a Shelf<T>);

impl<T> Drop for Closed<'_, T> {
    fn drop(&mut self) {
        self.0.lock().limit = CLOSED;
        self.0.room.notify_all();
        self.0.ready.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_order_and_no_more_than_asked_are_made_ahead() {
        let begun = AtomicUsize::new(0);
        let work = |index: usize| {
            begun.fetch_add(1, Ordering::SeqCst);
            // Every third takes longest.
            thread::sleep(Duration::from_millis(if index.is_multiple_of(3) { 3 } else { 0 }));
            index * index
        };
        let mut found = Vec::new();
        in_order(50, 3, 7, work, |index, square| {
            assert!(begun.load(Ordering::SeqCst) <= index / 7 * 7 + 7, "too far ahead of {index}");
            found.push((index, square));
            Ok(7)
        })
        .expect("work");
        assert_eq!(found, (0..50).map(|i| (i, i * i)).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_asked_for_last_is_made_next() {
        let begun = AtomicUsize::new(0);
        let work = |_| begun.fetch_add(1, Ordering::SeqCst);
        // After the first four, one and three by turns.
        let limits = [4, 4, 4, 4, 5, 8, 8, 8, 9, 12, 12, 12];
        let mut had = 0;
        in_order(12, 2, 4, work, |index, _| {
            assert!(begun.load(Ordering::SeqCst) <= limits[index], "too far ahead of {index}");
            had += 1;
            Ok(if limits[index] % 4 == 0 { 0 } else { 3 })
        })
        .expect("work");
        assert_eq!(had, 12);
    }

    #[test]
    fn a_failure_ends_the_work() {
        let begun = AtomicUsize::new(0);
        let work = |_| begun.fetch_add(1, Ordering::SeqCst);
        let fail = |index, _| match index {
            5 => Err(Error::Argument("enough".into())),
            _ => Ok(4),
        };
        let error = in_order(1000, 2, 4, work, fail).expect_err("enough");
        assert_eq!(error.to_string(), "enough");
        assert!(begun.load(Ordering::SeqCst) < 20);
    }

    #[test]
    fn nothing_to_do_is_done() {
        in_order(0, 2, 4, |index| index, |_, _| panic!("nothing")).expect("nothing");
    }
}
