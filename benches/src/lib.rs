//! What rpar does beside what the machine can do.
//!
//! Every row times rpar and a limit of the same machine in turn, A B A B, in one run: machines drift, ratios stay. The
//! limits are kept as fast as we can make them; a slow limit would flatter rpar.

pub mod cluster;
pub mod pairs;
pub mod python;
pub mod relay;
pub mod role;
pub mod spawn;
