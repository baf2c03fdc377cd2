//! The heartbeat against a store whose answers are set beforehand, in real time and with threads of its own.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;

use super::*;
use crate::model::ids::Uid;
use crate::model::request::Authority;
use crate::model::reservation::{Author, Ended};
use crate::model::seen::Seen;
use crate::store::{Confirmation, Snapshot};

const DEADLINE: Duration = Duration::from_secs(20);

/// What the store answers next, and what it was asked.
#[derive(Default)]
struct Script {
    answers: VecDeque<Result<Outcome, StoreError>>,
    asked: Vec<Verb>,
}

struct ScriptedStore(Arc<Mutex<Script>>);

impl Store for ScriptedStore {
    fn apply(&mut self, _: &Actor, verb: &Verb, _: &mut dyn Witness) -> Result<Applied, StoreError> {
        let mut script = self.0.lock().unwrap();
        script.asked.push(verb.clone());
        let outcome = script.answers.pop_front().unwrap_or(Ok(Outcome::Done))?;
        Ok(Applied { outcome, pool: Pool::default(), now: Timestamp::default() })
    }

    fn snapshot(&mut self) -> Result<Snapshot, StoreError> {
        Err(away())
    }

    fn history(&mut self, _: Range<Timestamp>, _: &mut dyn FnMut(Ended)) -> Result<(), StoreError> {
        Err(away())
    }

    fn owner(&mut self) -> Result<Option<Uid>, StoreError> {
        Err(away())
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn interrupt_on(&mut self, _: Option<OwnedFd>) {}

    fn hurry(&mut self, _: Duration) {}
}

struct Nothing;

impl Witness for Nothing {
    fn observe(&mut self, _: &Pool, _: &mut dyn FnMut(&Seen<'_>) -> Outcome) -> Outcome {
        Outcome::Done
    }

    fn confirm(&mut self, _: &mut Pool, _: &mut Outcome) -> Confirmation {
        Confirmation::Commit
    }

    fn retract(&mut self) {}
}

fn away() -> StoreError {
    StoreError::Unreachable { store: "test".into(), cause: "down".into() }
}

fn keeper(answers: impl IntoIterator<Item = Result<Outcome, StoreError>>) -> (Keeper, Arc<Mutex<Script>>) {
    let script = Arc::new(Mutex::new(Script { answers: answers.into_iter().collect(), asked: Vec::new() }));
    let holder = Holder::account(1, "a");
    let keeping = Keeping {
        store: Box::new(ScriptedStore(Arc::clone(&script))),
        actor: Actor { uid: Uid(1), holder: holder.clone(), authority: Authority::Own },
        reservation: Reservation::bare("r", holder, &[0]),
        witness: Box::new(Nothing),
        committed: Box::new(|_| ()),
    };
    (keep(keeping, &Pool::default(), Timestamp::default()).unwrap(), script)
}

/// As [`keeper`], and its first renewal is on its way.
fn renewing(answers: impl IntoIterator<Item = Result<Outcome, StoreError>>) -> (Keeper, Arc<Mutex<Script>>) {
    let (mut keeper, script) = keeper(answers);
    keeper.beat_now();
    (keeper, script)
}

/// Waits until no renewal is on its way.
fn through(keeper: &mut Keeper) {
    let mut news = Vec::new();
    through_with(keeper, &mut news);
    assert_eq!(news, []);
}

/// As [`through`], and collects the news.
fn through_with(keeper: &mut Keeper, news: &mut Vec<News>) {
    let deadline = Instant::now() + DEADLINE;
    while matches!(keeper.lease, Whereabouts::There(_)) {
        assert!(Instant::now() < deadline, "it does not end");
        sleep_until_pulse(keeper);
        news.append(&mut keeper.attend());
    }
}

/// Attends to the keeper as a supervisor does, until this much news has come.
fn attended(keeper: &mut Keeper, count: usize) -> Vec<News> {
    let deadline = Instant::now() + DEADLINE;
    let mut news = Vec::new();
    loop {
        news.append(&mut keeper.attend());
        if news.len() >= count {
            return news;
        }
        assert!(Instant::now() < deadline, "only {news:?}");
        sleep_until_pulse(keeper);
    }
}

fn sleep_until_pulse(keeper: &Keeper) {
    let pulse = keeper.pulse();
    let mut fds: Vec<PollFd<'_>> =
        pulse.descriptor.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    let left = pulse.moment.map_or(DEADLINE, |at| at.saturating_duration_since(Instant::now()));
    poll(&mut fds, PollTimeout::try_from(left.min(DEADLINE).as_millis() + 1).unwrap()).unwrap();
}

#[test]
fn the_grant_was_the_first_beat_and_the_release_is_the_last_word() {
    let (mut keeper, script) = keeper([]);
    assert_eq!(keeper.attend(), []);
    keeper.release(Ending::Exited { status: 0 }).unwrap();
    let asked = &script.lock().unwrap().asked;
    assert!(matches!(asked[..], [Verb::Release { .. }]), "{asked:?}");
}

#[test]
fn beside_the_go_program_the_second_beat_comes_soon() {
    let (mut pool, now) = (Pool::default(), Timestamp::default());
    assert_eq!(Pace::First.after(&pool, now), BEAT);
    let (keeper, _script) = keeper([]);
    let Whereabouts::Here(lease) = keeper.lease else { panic!("nothing was begun") };
    let reservation = Reservation { author: Author::Go, ..lease.keeping.reservation };
    pool.reservations.insert(reservation.id.clone(), reservation);
    assert_eq!(Pace::First.after(&pool, now), FIRST_BEAT_BESIDE_GO);
    assert_eq!(Pace::Steady.after(&pool, now), BEAT_BESIDE_GO);
}

#[test]
fn a_store_that_does_not_take_the_reservation_is_told_of_once_and_asked_until_it_does() {
    let refused = || Ok(Outcome::Refused(Refusal::OtherGpus));
    let (mut keeper, script) = renewing([refused(), refused(), Err(away()), refused()]);
    let mut news = Vec::new();
    for _ in 0..5 {
        through_with(&mut keeper, &mut news);
        keeper.beat_now();
    }
    through_with(&mut keeper, &mut news);
    let told: Vec<_> = news
        .iter()
        .map(|news| match news {
            News::NotTaken { why, .. } if **why == Refusal::OtherGpus => "not taken",
            News::StoreAway { .. } => "away",
            News::StoreBack => "back",
            _ => "else",
        })
        .collect();
    assert_eq!(told, ["not taken", "away", "not taken", "back"]);
    assert!(script.lock().unwrap().asked.len() >= 5);
}

#[test]
fn a_store_that_goes_away_is_told_once_and_asked_until_it_is_back() {
    let (mut keeper, script) = renewing([Err(away()), Err(away()), Err(away())]);
    let news = attended(&mut keeper, 2);
    assert!(
        matches!(news[..], [News::StoreAway { .. }, News::StoreBack]),
        "and nothing in between: {news:?}"
    );
    assert_eq!(script.lock().unwrap().asked.len(), 4);
}

#[test]
fn a_lost_lease_is_told_once_and_not_renewed_again() {
    let (mut keeper, script) = renewing([Ok(Outcome::Lost { to: None })]);
    assert_eq!(attended(&mut keeper, 1), [News::Lost { to: None }]);
    keeper.beat_now();
    assert_eq!(keeper.attend(), []);
    let pulse = keeper.pulse();
    assert!(pulse.descriptor.is_none() && pulse.moment.is_none(), "nothing to wait for: {pulse:?}");
    assert_eq!(script.lock().unwrap().asked.len(), 1);
}

#[test]
fn a_beat_that_is_asked_for_comes_without_waiting() {
    let (mut keeper, script) = renewing([]);
    through(&mut keeper);
    keeper.beat_now();
    keeper.release(Ending::Released).unwrap();
    assert_eq!(script.lock().unwrap().asked.len(), 3, "the order of orders is kept");
}

#[test]
fn a_beat_that_is_asked_for_during_another_follows_it() {
    let (mut keeper, script) = renewing([]);
    // Whether the first is over by now or not.
    keeper.beat_now();
    through(&mut keeper);
    assert_eq!(script.lock().unwrap().asked.len(), 2);
    assert!(keeper.pulse().moment.is_some_and(|at| at > Instant::now() + BEAT / 2), "{:?}", keeper.pulse());
}

#[test]
fn between_two_beats_there_is_no_thread() {
    let (mut keeper, script) = renewing([]);
    through(&mut keeper);
    assert_eq!(script.lock().unwrap().asked.len(), 1);
    assert!(matches!(keeper.lease, Whereabouts::Here(_)));
}

#[test]
fn a_release_is_tried_again_and_its_failure_is_handed_back() {
    let (mut patient, script) = renewing([Ok(Outcome::Done), Err(away()), Err(away())]);
    through(&mut patient);
    assert!(patient.release(Ending::Released).is_ok());
    assert_eq!(script.lock().unwrap().asked.len(), 4);
    let (hopeless, _script) = renewing(std::iter::repeat_n(Err(away()), 100));
    assert_eq!(hopeless.release(Ending::Released), Err(away()));
}
