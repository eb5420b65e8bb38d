//! Work on all processors, with its progress.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use convlens::Result;
use convlens::show::Progress;

/// What `work` makes of each item, in their order; after the first failure nothing more is begun.
pub(super) fn on_all_processors<I: Sync, T: Send>(
    what: &str,
    items: &[I],
    work: impl Fn(&I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let made: Mutex<Vec<(usize, Result<T>)>> = Mutex::new(Vec::with_capacity(items.len()));
    let take = |tell: &mut dyn FnMut(usize) -> Result<()>| -> Result<()> {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(i) else { return Ok(()) };
            let result = work(item);
            let failed = result.is_err();
            made.lock().unwrap_or_else(PoisonError::into_inner).push((i, result));
            let told = tell(done.fetch_add(1, Ordering::Relaxed) + 1);
            if failed || told.is_err() {
                next.store(items.len(), Ordering::Relaxed);
            }
            told?;
        }
    };
    let mut progress = Progress::new(what, items.len() as u64);
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| take(&mut |_| Ok(())));
        }
        take(&mut |done| progress.advance(done as u64))
    })?;
    let mut made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    made.sort_by_key(|(i, _)| *i);
    let made = made.into_iter().map(|(_, result)| result).collect::<Result<Vec<T>>>()?;
    progress.advance(items.len() as u64)?;
    progress.finish();
    Ok(made)
}
