//! Who is handed out first.

use super::*;
use crate::model::ids::{LeaseId, Uid};

fn holder(uid: u32, label: Option<&str>) -> Holder {
    let label = label.map(str::to_owned);
    Holder { uid: Some(Uid(uid)), account: format!("u{uid}"), login: None, label }
}

fn past(holder: Holder, ended: i64) -> Past {
    Past { id: LeaseId::from("x"), holder, started: Timestamp(0), ended: Timestamp(ended) }
}

fn candidate(gpu: u32, past: Option<&Past>, last_released: Option<i64>) -> Candidate<'_> {
    Candidate { gpu: GpuIndex(gpu), last_released: last_released.map(Timestamp), past }
}

fn order(strategy: Strategy, mut candidates: Vec<Candidate<'_>>, holder: &Holder) -> Vec<u32> {
    strategy.rank(&mut candidates, holder);
    candidates.iter().map(|c| c.gpu.0).collect()
}

#[test]
fn lru_takes_the_never_used_first_then_the_longest_free_and_ties_by_index() {
    let candidates = vec![
        candidate(0, None, Some(50)),
        candidate(1, None, Some(20)),
        candidate(2, None, None),
        candidate(3, None, Some(20)),
        candidate(4, None, None),
    ];
    assert_eq!(order(Strategy::Lru, candidates, &holder(1, None)), [2, 4, 1, 3, 0]);
}

#[test]
fn affinity_takes_what_this_user_released_last_and_then_goes_on_as_lru() {
    let mine_old = past(holder(1, None), 10);
    let mine_new = past(holder(1, None), 30);
    let other = past(holder(2, None), 40);
    let labelled = past(holder(1, Some("ann")), 60);
    let candidates = vec![
        candidate(0, Some(&other), Some(40)),
        candidate(1, Some(&mine_old), Some(10)),
        candidate(2, None, None),
        candidate(3, Some(&mine_new), Some(30)),
        candidate(4, Some(&labelled), Some(60)),
    ];
    assert_eq!(order(Strategy::Affinity, candidates.clone(), &holder(1, None)), [3, 1, 2, 0, 4]);
    assert_eq!(order(Strategy::Affinity, candidates, &holder(1, Some("ann"))), [4, 2, 1, 3, 0]);
}

#[test]
fn accounts_that_this_host_does_not_know_share_no_affinity() {
    let nobody = Holder { uid: None, account: "ghost".into(), login: None, label: None };
    let ghost = past(nobody.clone(), 5);
    let candidates = vec![candidate(0, Some(&ghost), Some(5)), candidate(1, None, None)];
    assert_eq!(order(Strategy::Affinity, candidates, &nobody), [1, 0]);
}
