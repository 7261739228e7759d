//! A whole cluster in this process: the real controller, engine hosts and client over the real transports.

use peak_alloc::PeakAlloc;

/// Counts what is allocated, for tests of what may be kept.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

#[cfg(test)]
mod cluster {
    mod api;
    mod api_commands;
    mod api_streams;
    mod live;
    mod map;
    mod place;
    mod soak;
    mod stop;
    mod strangers;
    mod submission;
    mod withdrawals;
}
