//! The limit on what one person holds, in words. Pure.

use crate::model::share::Share;

/// To the person: `you hold 3 of the 4 GPUs that one user may hold at once`.
pub(super) fn yours(share: &Share) -> String {
    format!("you hold {}", of_what(share))
}

/// To everybody: `holds 3 of the 4 GPUs that one user may hold at once`.
pub(super) fn theirs(share: &Share) -> String {
    format!("holds {}", of_what(share))
}

fn of_what(share: &Share) -> String {
    match share.limit.get() {
        1 => format!("{} of the one GPU that one user may hold at once", share.held),
        limit => format!("{} of the {limit} GPUs that one user may hold at once", share.held),
    }
}
