//! What a helper tells of the driver's answers, for the fuzzer.

use std::collections::BTreeMap;

use super::inventory::arrange;
use super::wire::{Line, Said};

/// Lines of the wire, taken together as one scan.
pub(crate) fn wire(bytes: &[u8]) {
    let (mut identities, mut readings, mut version) = (BTreeMap::new(), BTreeMap::new(), None);
    for line in bytes.split(|&byte| byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Line>(line) else { continue };
        let again = serde_json::to_vec(&line).map(|text| serde_json::from_slice::<Line>(&text).is_ok());
        assert!(again.is_ok_and(|again| again), "{line:?}");
        match line.said {
            Said::Named { slot, identity } => drop(identities.insert(slot, identity)),
            Said::Answer { slot, reading } => drop(readings.insert(slot, reading)),
            Said::Count { driver, .. } => version = driver,
            Said::Refused(_) | Said::Stale | Said::StillBusy { .. } => {}
        }
    }
    let (named, asked) = (identities.len(), readings.len());
    let scan = arrange(&identities, readings, version);
    assert!(scan.gpus.len() <= named && scan.gpus.len() + scan.nameless.len() <= asked.max(named));
}
