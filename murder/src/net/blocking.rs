//! Work that may block, on a thread that may be blocked.

/// Runs something that may block on the disk.
///
/// The runtime of the programs has many threads; on a runtime of one thread (some tests) it is simply run.
pub(crate) fn on_disk<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
