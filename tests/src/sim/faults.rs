//! What goes wrong.

use std::time::Duration;

use super::client::Act;
use super::host::SLOWNESS;
use super::world::World;

impl World {
    pub(super) fn fault(&mut self) {
        if self.exited.is_some() {
            return;
        }
        let links: Vec<_> = self.net.links.keys().copied().collect();
        let hosts: Vec<usize> = (0..self.hosts.len()).filter(|host| self.hosts[*host].alive).collect();
        match self.rng.below(7) {
            0 | 1 if !links.is_empty() => {
                self.summary.faults += 1;
                let link = self.rng.pick(&links);
                self.cut(link, "connection reset by peer");
            }
            2 if !links.is_empty() => {
                self.summary.faults += 1;
                let link = self.rng.pick(&links);
                let time = self.rng.duration(Duration::from_millis(100), Duration::from_secs(30));
                self.stall(link, self.now + time);
            }
            3 | 4 if !hosts.is_empty() => {
                self.summary.faults += 1;
                let host = self.rng.pick(&hosts);
                self.kill_host(host, "signal 9");
            }
            5 if !hosts.is_empty() => {
                let host = self.rng.pick(&hosts);
                self.trace.line(self.now, || format!("host {host} is slow from now on"));
                self.hosts[host].slowness = SLOWNESS;
                self.summary.faults += 1;
            }
            6 => self.fault_outside(),
            _ => {}
        }
    }

    /// The site takes an allocation away, or a client's process ends.
    fn fault_outside(&mut self) {
        self.summary.faults += 1;
        let allocations = self.site.allocations.len() as u64;
        if self.rng.percent(50) && allocations > 0 {
            let allocation = self.rng.below(allocations) as usize;
            self.allocation_ends(allocation);
        } else {
            let client = self.rng.below(self.clients.len() as u64) as usize;
            self.client_acts(client, Act::Leave);
        }
    }
}
