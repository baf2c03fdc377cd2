//! GPU hours by account, from ended and current reservations. Pure and streaming: what was added is not kept.
//!
//! A reservation counts with the part of it that lies in the window, once for each of its GPUs, as the Go tool keeps one
//! record per GPU. What is still held counts from its start to now.

use std::collections::HashMap;

use super::ids::Timestamp;
use super::reservation::{Ended, Holder, Kind, Reservation};

#[cfg(test)]
mod tests;

const NANOS_PER_HOUR: f64 = 3_600e9;

/// The span of time that is reported on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// A report in the making.
#[derive(Debug)]
pub(crate) struct Report {
    window: Window,
    accounts: HashMap<String, Tally>,
    /// The name of the entry at hand; kept so that a known account costs no allocation.
    name: String,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    gpu_nanos: u128,
    runs: u64,
    manual: u64,
}

/// A finished report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    /// Most GPU hours first, then by name.
    pub(crate) users: Vec<UserHours>,
    pub(crate) total_gpu_hours: f64,
    pub(crate) total_reservations: u64,
}

/// One line of a report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UserHours {
    /// `alice`, or `alice (label)`.
    pub(crate) name: String,
    pub(crate) gpu_hours: f64,
    /// Of all hours in the report; 0 where there are none.
    pub(crate) percentage: f64,
    pub(crate) run_count: u64,
    pub(crate) manual_count: u64,
}

impl Report {
    pub(crate) fn new(window: Window) -> Self {
        Self { window, accounts: HashMap::new(), name: String::new() }
    }

    pub(crate) fn add(&mut self, ended: &Ended) {
        self.count(&ended.reservation, ended.at);
    }

    /// Adds what is still held. One that is past its expiry and not yet swept is counted up to its expiry.
    pub(crate) fn add_current(&mut self, reservation: &Reservation, now: Timestamp) {
        self.count(reservation, reservation.expiry.map_or(now, |expiry| expiry.min(now)));
    }

    pub(crate) fn finish(self) -> Summary {
        let all: u128 = self.accounts.values().map(|tally| tally.gpu_nanos).sum();
        let total_reservations = self.accounts.values().map(|tally| tally.runs + tally.manual).sum();
        let mut users: Vec<_> =
            self.accounts.into_iter().map(|(name, tally)| tally.into_line(name, all)).collect();
        users.sort_by(|a, b| b.gpu_hours.total_cmp(&a.gpu_hours).then_with(|| a.name.cmp(&b.name)));
        Summary { users, total_gpu_hours: hours(all), total_reservations }
    }

    fn count(&mut self, reservation: &Reservation, end: Timestamp) {
        if end < self.window.from || reservation.started > self.window.to {
            return;
        }
        let spent = end.min(self.window.to).since(reservation.started.max(self.window.from));
        let gpus = reservation.gpus.len() as u64;
        write_name(&mut self.name, &reservation.holder);
        let tally = match self.accounts.get_mut(&self.name) {
            Some(known) => known,
            None => self.accounts.entry(self.name.clone()).or_default(),
        };
        tally.gpu_nanos += spent.as_nanos() * u128::from(gpus);
        match reservation.kind {
            Kind::Run => tally.runs += gpus,
            Kind::Manual => tally.manual += gpus,
        }
    }
}

impl Tally {
    fn into_line(self, name: String, all: u128) -> UserHours {
        let percentage = if all == 0 { 0.0 } else { hours(self.gpu_nanos) / hours(all) * 100.0 };
        UserHours {
            name,
            gpu_hours: hours(self.gpu_nanos),
            percentage,
            run_count: self.runs,
            manual_count: self.manual,
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "hours are for reading; 53 bits of nanoseconds are 104 days exactly"
)]
fn hours(nanos: u128) -> f64 {
    nanos as f64 / NANOS_PER_HOUR
}

fn write_name(name: &mut String, holder: &Holder) {
    name.clear();
    name.push_str(&holder.account);
    if let Some(label) = &holder.label {
        name.extend([" (", label, ")"]);
    }
}
