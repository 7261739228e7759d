//! The limit of linking: one process that accepts links, one that dials them, TLS 1.3 and nothing more.

use std::io;
use std::time::Instant;

use tokio::task::JoinSet;

use crate::relay::{dial, listen, parse, run};
use crate::role::Part;
use crate::row::rate;

/// Accepts links and keeps them.
#[derive(Debug)]
pub struct Porter {
    address: String,
    _part: Part,
}

impl Porter {
    /// Starts its process.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start() -> io::Result<Porter> {
        let mut part = Part::start("porter", &[])?;
        Ok(Porter { address: part.line()?, _part: part })
    }

    /// Links a second, when `count` are dialled at once.
    ///
    /// # Errors
    /// When one is not made.
    pub fn links_per_second(&self, count: u64) -> io::Result<f64> {
        run(async {
            let (endpoint, key) = parse(&self.address)?;
            let (start, mut dials, mut links) = (Instant::now(), JoinSet::new(), Vec::new());
            for _ in 0..count {
                let endpoint = endpoint.clone();
                dials.spawn(async move { dial(&endpoint, &key, 3).await });
            }
            while let Some(dialled) = dials.join_next().await {
                links.push(dialled.map_err(io::Error::other)??);
            }
            Ok(rate(count, start.elapsed()))
        })
    }
}

/// Plays the porter.
///
/// # Errors
/// When it cannot listen.
pub fn porter() -> io::Result<()> {
    run(async {
        let mut listener = listen(1).await?;
        let mut links = Vec::new();
        loop {
            links.push(listener.accept().await.map_err(io::Error::other)?);
        }
    })
}
